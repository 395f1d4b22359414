"""A bot is a file: faults are told at once, changes count without a restart."""

import os
from pathlib import Path

import pytest

from nightschool.bots import BotShelf, load_bots
from nightschool.errors import InvalidSettings, UnknownModel
from nightschool.records import AdapterName, BotName

MINIMAL = 'name = "support"\ntitle = "Fern"\nsystem_prompt = "Help."\n'


def write(folder: Path, text: str, *, name: str = "support", at: int = 0) -> None:
    file = folder / f"{name}.toml"
    file.write_text(text)
    os.utime(file, ns=(at, at))


def test_the_shipped_bots_are_sound() -> None:
    bots = load_bots(Path(__file__).parents[2] / "bots")
    assert set(bots) == {"support", "reviewer"}


@pytest.mark.parametrize(
    ("extra", "expected"),
    [
        ("[gate]\nprimary = 'bleu'\n", "gate.primary"),
        ("[gate]\nlength_ratio = [2.0, 0.5]\n", "gate.length_ratio"),
        ("[schedule]\ncron = '0 3 * * 0'\n", "weekday must be a name"),
        ("[schedule]\ncron = '0 3 * *'\n", "five fields"),
        ("[schedule]\ntime_zone = 'Mars/Olympus'\n", "is not a time zone"),
        ("[recipe]\nrnak = 3\n", "did you mean recipe.rank"),
        ("[recipe]\nbatch_size = 2\nmicro_batch_size = 4\n", "micro_batch_size is larger"),
        ("[sampling\n", "is not TOML"),
    ],
)
def test_faults_are_named(tmp_path: Path, extra: str, expected: str) -> None:
    write(tmp_path, MINIMAL + extra)
    with pytest.raises(InvalidSettings) as caught:
        load_bots(tmp_path)
    assert expected in str(caught.value)
    assert "support.toml" in str(caught.value)


def test_the_file_is_named_like_the_bot(tmp_path: Path) -> None:
    write(tmp_path, MINIMAL, name="other")
    with pytest.raises(InvalidSettings, match=r"Name the file support.toml"):
        load_bots(tmp_path)


def test_a_folder_without_bots_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(InvalidSettings, match="holds no bot"):
        load_bots(tmp_path)


def test_a_changed_file_counts_at_once_and_a_faulty_one_changes_nothing(tmp_path: Path) -> None:
    write(tmp_path, MINIMAL, at=1)
    shelf = BotShelf(tmp_path)
    write(tmp_path, MINIMAL.replace("Fern", "Moss"), at=2)
    assert shelf.find("support").title == "Moss"
    write(tmp_path, "name = 3", at=3)
    assert shelf.find("support").title == "Moss"


def test_an_unknown_bot_lists_the_known_ones(tmp_path: Path) -> None:
    write(tmp_path, MINIMAL)
    with pytest.raises(UnknownModel, match="Choose one of: support"):
        BotShelf(tmp_path).find("../etc/passwd")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("support@3", AdapterName(BotName("support"), 3)),
        ("support@base", AdapterName(BotName("support"), None)),
        ("support", None),
        ("support@0", None),
        ("support@03", None),
        ("../x@1", None),
        ("support@1\n", None),
        ("Support@1", None),
    ],
)
def test_adapter_names(text: str, expected: AdapterName | None) -> None:
    assert AdapterName.parse(text) == expected
    if expected:
        assert str(expected) == text
