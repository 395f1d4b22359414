"""What is kept on disk comes back whole or not at all, and no more is kept than was allowed."""

import os
import time
from pathlib import Path

import pytest

pytestmark = [pytest.mark.train, pytest.mark.usefixtures("one_thread")]

SIZE = 1000


def entry_bytes(folder: Path) -> int:
    """Of a file that holds SIZE numbers."""
    import torch

    from tune.methods.shelf import Shelf

    Shelf(folder / "one", limit_bytes=2**20, spare_bytes=0).write("a", torch.zeros(SIZE))
    [file] = (folder / "one").glob("*")
    return file.stat().st_size


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_what_was_kept_is_read_to_the_bit_by_another_run(tmp_path: Path, dtype: str) -> None:
    import torch

    from tune.methods.shelf import Shelf

    kept = torch.randn(5, 7).to(getattr(torch, dtype))
    Shelf(tmp_path, limit_bytes=2**20, spare_bytes=0).write("a/b", kept)
    found = Shelf(tmp_path, limit_bytes=2**20, spare_bytes=0).read("a/b")
    assert found is not None
    assert found.dtype == kept.dtype
    assert torch.equal(found, kept)
    assert Shelf(tmp_path, limit_bytes=2**20).read("a/c") is None


@pytest.mark.parametrize("fault", ["cut off", "a bit", "zeros", "empty"])
def test_what_was_spoilt_is_as_if_it_were_not_there_and_can_be_kept_again(tmp_path: Path, fault: str) -> None:
    import torch

    from tune.methods.shelf import Shelf

    shelf = Shelf(tmp_path, limit_bytes=2**20, spare_bytes=0)
    shelf.write("a", torch.ones(SIZE))
    [file] = tmp_path.glob("*")
    raw = bytearray(file.read_bytes())
    raw[-9] ^= 1
    spoilt: dict[str, bytes] = {
        "cut off": bytes(raw[:-100]),
        "a bit": bytes(raw),
        "zeros": bytes(len(raw)),
        "empty": b"",
    }
    file.write_bytes(spoilt[fault])
    assert shelf.read("a") is None
    shelf.write("a", torch.ones(SIZE))
    assert shelf.read("a") is not None


def test_the_limit_holds_over_runs_and_what_was_unused_longest_goes(tmp_path: Path) -> None:
    import torch

    from tune.methods.shelf import Shelf

    limit = int(3.5 * entry_bytes(tmp_path))
    root, now = tmp_path / "kept", time.time()
    first = Shelf(root, limit_bytes=limit, spare_bytes=0)
    for name in ("other/base", "b", "c"):
        first.write(name, torch.ones(SIZE))
    for age, name in ((900, "b"), (800, "other/base"), (700, "c")):
        os.utime(root / f"{name}.safetensors", (now - age, now - age))
    second = Shelf(root, limit_bytes=limit, spare_bytes=0)
    assert second.read("b") is not None  # is the youngest from now on
    second.write("d", torch.ones(SIZE))
    assert [name for name in ("other/base", "b", "c", "d") if second.read(name) is None] == ["other/base"]
    assert second.size_bytes <= limit


def test_a_run_that_needs_more_than_the_limit_keeps_what_it_has(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    import torch

    from tune.methods.shelf import Shelf

    shelf = Shelf(tmp_path / "kept", limit_bytes=2 * entry_bytes(tmp_path), spare_bytes=0)
    for number in range(5):
        shelf.write(str(number), torch.ones(SIZE))
    assert [shelf.read(str(number)) is not None for number in range(5)] == [True, True, False, False, False]
    assert caplog.text.count("no more is kept") == 1


def test_a_disk_that_is_nearly_full_is_left_alone(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    import torch

    from tune.methods.shelf import Shelf

    shelf = Shelf(tmp_path, limit_bytes=2**20, spare_bytes=2**60)
    shelf.write("a", torch.ones(SIZE))
    assert shelf.read("a") is None
    assert "disk is nearly full" in caplog.text


def test_what_nobody_asked_for_in_a_month_and_what_a_kill_left_goes(tmp_path: Path) -> None:
    import torch

    from tune.methods.shelf import Shelf

    Shelf(tmp_path, limit_bytes=2**20, spare_bytes=0).write("a", torch.ones(SIZE))
    (tmp_path / ".draft").write_bytes(b"half")
    for path, days in ((tmp_path / "a.safetensors", 31), (tmp_path / ".draft", 1)):
        os.utime(path, (time.time() - days * 86_400,) * 2)
    (tmp_path / ".young").write_bytes(b"half")
    assert Shelf(tmp_path, limit_bytes=2**20).size_bytes == 0
    assert [path.name for path in tmp_path.iterdir()] == [".young"]
