from typing import Any

import pytest

from nightschool.errors import TrainingFailed

pytestmark = [pytest.mark.train, pytest.mark.usefixtures("one_thread")]


def errors() -> list[Exception]:
    import torch

    return [
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB"),
        RuntimeError("[enforce fail] . DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes"),
    ]


@pytest.mark.parametrize("number", range(3))
def test_where_memory_is_short_half_as_many_rows_are_computed_at_once_from_then_on(number: int) -> None:
    from tune.methods.memory import Appetite

    appetite, tried = Appetite(8), []

    def compute(rows_at_once: int) -> str:
        tried.append(rows_at_once)
        if rows_at_once > 2:
            raise errors()[number]
        return "done"

    assert appetite.feed(compute, where="step 3") == "done"
    assert appetite.feed(compute, where="step 4") == "done"
    assert tried == [8, 4, 2, 2]
    assert appetite.remarks == [
        "out of memory at step 3, so 4 rows at once instead of 8",
        "out of memory at step 3, so 2 rows at once instead of 4",
    ]


def test_where_one_row_is_too_much_it_is_said_which_step_and_what_to_do() -> None:
    from tune.methods.memory import Appetite

    def compute(_: int) -> Any:
        raise MemoryError

    with pytest.raises(TrainingFailed, match=r"too little memory for one row at step 3.*recipe\.max_tokens"):
        Appetite(3).feed(compute, where="step 3")


def test_another_error_is_not_taken_for_want_of_memory() -> None:
    from tune.methods.memory import Appetite

    def compute(_: int) -> Any:
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    appetite = Appetite(4)
    with pytest.raises(RuntimeError, match="mat1"):
        appetite.feed(compute, where="step 3")
    assert appetite.rows_at_once == 4
