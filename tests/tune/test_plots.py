"""The card's picture is the same to the byte, holds every row, and nothing of a topic is alive in it."""

import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tune.plots import CARD_PLOT, draw_card_plots, draw_losses
from tune.progress import METRICS, append_step

from .test_progress import line

NASTY = "<script>alert(1)</script> | `x` \x00\ud800 [y](z)\n# head"


def draw(folder: Path, **changes: object) -> list[str]:
    values = {
        "words": [3, 25, 26, 5_000], "ages_days": [0.0, 1.0, 1.5, 900.0],
        "topics": ["refunds", "refunds", None, "post"],
        "origins": ["import", "like", "import", "import"],
    }  # fmt: skip
    return draw_card_plots(folder, **(values | changes))  # type: ignore[arg-type]


def cells(lines: list[str]) -> dict[str, int]:
    found = [re.match(r"\| (.*?) \| (\d+) \|", line) for line in lines]
    return {match[1]: int(match[2]) for match in found if match}


def test_every_row_is_counted_once_in_each_panel(tmp_path: Path) -> None:
    counts = cells(draw(tmp_path))
    assert counts["up to 25"] == 2
    assert counts["over 25, up to 50"] == 1
    assert counts["over 1600"] == 1
    assert (counts["up to 1"], counts["over 1, up to 7"], counts["over 365"]) == (2, 1, 1)
    assert (counts["refunds"], counts["post"], counts["no topic"]) == (2, 1, 1)
    assert (counts["import"], counts["like"]) == (3, 1)
    assert sum(counts.values()) == 4 * 4
    words = [text.text for text in ElementTree.parse(tmp_path / CARD_PLOT).iter() if text.tag.endswith("text")]
    assert {"Words in a row", "over 1600", "refunds", "import"} <= set(words)


def test_the_same_rows_give_the_same_bytes_in_any_process(tmp_path: Path) -> None:
    topics = [f"topic {number}" for number in range(30)]
    (tmp_path / "one").mkdir()
    lines = draw(tmp_path / "one", topics=topics)
    script = (
        "import sys; from pathlib import Path; from tune.plots import draw_card_plots\n"
        "sys.stdout.write(chr(10).join(draw_card_plots(Path(sys.argv[1]), words=[3, 25, 26, 5_000], "
        "ages_days=[0.0, 1.0, 1.5, 900.0], topics=[f'topic {n}' for n in reversed(range(30))], "
        "origins=['import', 'like', 'import', 'import'])))\n"
        "assert 'matplotlib' not in sys.modules"
    )
    (tmp_path / "two").mkdir()
    done = subprocess.run(
        [sys.executable, "-c", script, tmp_path / "two"], capture_output=True, text=True, check=True,
        env={"PYTHONHASHSEED": "7", "PYTHONPATH": str(Path(__file__).parents[2]), "PYTHONUTF8": "1"},
    )  # fmt: skip
    assert done.stdout.splitlines() == "\n".join(lines).splitlines()
    assert (tmp_path / "one" / CARD_PLOT).read_bytes() == (tmp_path / "two" / CARD_PLOT).read_bytes()
    assert cells(lines)["other topics"] == 20


def test_a_topic_is_words_and_nothing_else(tmp_path: Path) -> None:
    lines = draw(tmp_path, topics=[NASTY, "x" * 500, "", "no topic"])
    assert not any("<script" in line or "\x00" in line for line in lines)
    assert max(map(len, lines)) < 200
    root = ElementTree.parse(tmp_path / CARD_PLOT).getroot()
    assert {element.tag.rpartition("}")[2] for element in root.iter()} == {"svg", "style", "g", "text", "rect"}


def test_a_dataset_without_rows_has_a_picture_too(tmp_path: Path) -> None:
    lines = draw(tmp_path, words=[], ages_days=[], topics=[], origins=[])
    assert set(cells(lines).values()) == {0}
    ElementTree.parse(tmp_path / CARD_PLOT)


@pytest.mark.parametrize("losses", [(3.0, 2.0, 1.0), (1.0,), (2.0, float("inf"), 1.0)])
def test_losses_are_drawn_for_each_method(tmp_path: Path, losses: tuple[float, ...]) -> None:
    for step, loss in enumerate(losses, start=1):
        append_step(tmp_path, line(step, loss=loss))
    append_step(tmp_path, line(1, phase="dpo", rewards_margin=0.1))
    append_step(tmp_path, line(2, phase="dpo", rewards_margin=0.2))
    append_step(tmp_path, line(1, phase="grpo", reward=0.5))
    files = draw_losses(tmp_path)
    assert [file.name for file in files] == ["sft.svg", "dpo.svg", "grpo.svg"]
    widths = [float(ElementTree.parse(file).getroot().attrib["viewBox"].split()[2]) for file in files]
    assert widths[0] < widths[1] == widths[2], "rewards are drawn beside the loss"
    before = [file.read_bytes() for file in files]
    assert [file.read_bytes() for file in draw_losses(tmp_path)] == before
    for raw in before:
        ElementTree.fromstring(raw)
    (tmp_path / METRICS).unlink()
    assert draw_losses(tmp_path) == []
