"""Which positions of a step are given logits, by a stand-in for vLLM's runner that notes them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from serve.vllm.scored_tail import AFTER, leave_out


@dataclass
class Request:
    """Of a text of ten tokens; `after` of them come before those that are asked for."""

    after: int | None = None
    num_computed_tokens: int = 0
    prompt_token_ids: tuple[int, ...] = tuple(range(10))
    in_progress_prompt_logprobs_cpu: Any = "made"

    @property
    def sampling_params(self) -> Any:
        return SimpleNamespace(extra_args=None if self.after is None else {AFTER: self.after})


@dataclass
class Runner:
    requests: dict[str, Request]
    starts: list[int]
    seen: dict[str, tuple[int, int, int]] = field(default_factory=dict)
    """Of each request: the first place of its text that gets logits, where that lies in the step, and how many do."""

    @property
    def num_prompt_logprobs(self) -> dict[str, int]:
        return dict.fromkeys(self.requests, 0)

    @property
    def input_batch(self) -> Any:
        return SimpleNamespace(req_id_to_index={name: row for row, name in enumerate(self.requests)})

    def __post_init__(self) -> None:
        self.query_start_loc = SimpleNamespace(np=np.array(self.starts))


def stock(runner: Runner, _hidden_states: object, scheduled: Mapping[str, int]) -> str:
    """As vLLM 0.32 finds its places."""
    for row, (name, request) in enumerate(runner.requests.items()):
        if (tokens := scheduled.get(name)) is not None:
            first = request.num_computed_tokens
            logits = min(tokens, len(request.prompt_token_ids) - first - 1)
            runner.seen[name] = (first, int(runner.query_start_loc.np[row]), logits)
    return "told"


def run(runner: Runner, scheduled: dict[str, int]) -> dict[str, tuple[int, int, int]]:
    before = [request.num_computed_tokens for request in runner.requests.values()]
    assert leave_out(stock)(runner, None, scheduled) == "told"
    # The step goes on as it was.
    assert [request.num_computed_tokens for request in runner.requests.values()] == before
    assert runner.query_start_loc.np.tolist() == runner.starts
    return runner.seen


def test_logits_are_made_from_the_last_token_before_the_answer_on() -> None:
    runner = Runner({"all": Request(), "tail": Request(after=7), "one": Request(after=1)}, [0, 10, 20])
    assert run(runner, {"all": 10, "tail": 10, "one": 10}) == {"all": (0, 0, 9), "tail": (6, 16, 3), "one": (0, 20, 9)}


@pytest.mark.parametrize(
    ("computed", "tokens", "seen"),
    [(0, 4, (4, 9, 0)), (4, 4, (6, 7, 2)), (8, 2, (8, 5, 1)), (0, 6, (6, 11, 0)), (0, 7, (6, 11, 1))],
)
def test_a_text_may_come_in_several_steps(computed: int, tokens: int, seen: tuple[int, int, int]) -> None:
    runner = Runner({"tail": Request(after=7, num_computed_tokens=computed)}, [5])
    assert run(runner, {"tail": tokens}) == {"tail": seen}


def test_a_text_that_is_not_in_the_step_stays_out_and_too_much_is_no_more_than_all() -> None:
    runner = Runner({"waits": Request(after=7), "beyond": Request(after=99)}, [0, 0])
    assert run(runner, {"beyond": 10}) == {"beyond": (8, 8, 1)}
