"""A bot is a file: faults are told at once, changes count without a restart."""

import os
import subprocess
from collections.abc import Iterable
from pathlib import Path

import pytest

from nightschool.bots import Bot, BotShelf, load_bot, load_bots
from nightschool.errors import InvalidSettings, UnknownModel
from nightschool.faults import dotted_keys
from nightschool.records import AdapterName, BotName

MINIMAL = 'name = "support"\ntitle = "Fern"\nsystem_prompt = "Help."\n'


def write(folder: Path, text: str, *, name: str = "support", at: int = 0) -> None:
    file = folder / f"{name}.toml"
    file.write_text(text)
    os.utime(file, ns=(at, at))


def test_the_shipped_bots_are_sound() -> None:
    bots = load_bots(Path(__file__).parents[2] / "bots")
    assert set(bots) == {"support", "reviewer", "tutor"}


@pytest.mark.parametrize(
    ("extra", "expected"),
    [
        ("[gate]\nprimary = 'bleu'\n", "gate.primary"),
        ("[gate]\nlength_ratio = [2.0, 0.5]\n", "gate.length_ratio"),
        ("[schedule]\ncron = '0 3 * * 0'\n", "weekday must be a name"),
        ("[schedule]\ncron = '0 3 * *'\n", "five fields"),
        ("[schedule]\ncron = '61 3 * * *'\n", "schedule.cron"),
        ("[schedule]\ncron = '0 3 31 2 *'\n", "never comes"),
        ("[schedule]\ncron = '0 3,15 * * *'\n", "once a day"),
        ("[schedule]\ntime_zone = 'Mars/Olympus'\n", "is not a time zone"),
        ("[schedule]\ntime_zone = 'Europe'\n", "is not a time zone"),
        ("[schedule]\ndone_by = '6 am'\n", "time of day"),
        ("[schedule]\ndone_by = '24:00'\n", "time of day"),
        ("[recipe]\nrnak = 3\n", "did you mean recipe.rank"),
        ("[recipe]\nbatch_size = 2\nmicro_batch_size = 4\n", "micro_batch_size is larger"),
        ('[recipe]\nadapter = "full"\nlayers_share = 0.5\n', "layers_share is for adapters"),
        ('[recipe]\nmethods = ["sft", "rejection"]\n', 'of no use without "reward"'),
        ('[recipe]\nmethods = ["sft", "grpo"]\n', 'of no use without "reward"'),
        ('[recipe]\nmethods = ["sft", "distill"]\n', "say in distill.url and distill.model who is asked"),
        ('[distill]\nurl = "http://me:pw@gpu-1/v1"\n', "must hold no user name and no password"),
        ('[distill]\nurl = "http://gpu-1/v1?key=s"\n', "without ? or #"),
        ('[distill]\nurl = "gpu-1"\n', "must be a URL such as http://gpu-1:8000/v1"),
        ('[morning]\nwebhook = "chat-1"\n', "must be a URL such as http://chat-1/hooks/4"),
        ('[morning]\nmail_to = "a@b, c@d"\n', "morning.mail_to"),
        ('[judge]\nurl = "http://gpu-1/v1"\n', "needs both url and model, or neither"),
        ('[distill]\nkey_variable = "sk-4711"\n', "distill.key_variable"),
        ('[feedback]\nside_by_side_with = "production"\n', 'must be "base", "previous" or the number of a version'),
        ("[feedback]\nside_by_side_with = 0\n", "or the number of a version, but it is 0"),
        ("[feedback]\nside_by_side_share = 1.5\n", "less than or equal to 1, but it is 1.5"),
        ("[sampling\n", "is not TOML"),
    ],
)
def test_faults_are_named(tmp_path: Path, extra: str, expected: str) -> None:
    write(tmp_path, MINIMAL + extra)
    with pytest.raises(InvalidSettings) as caught:
        load_bots(tmp_path)
    assert expected in str(caught.value)
    assert "support.toml" in str(caught.value)


SWITCHES = (
    "schedule.enabled", "knowledge.show_sources", "recipe.weighs_persons", "feedback.votes", "feedback.comments",
    "feedback.outcomes", "feedback.comparisons", "privacy.mask_before_storing",
)  # fmt: skip


@pytest.mark.parametrize("key", [key for key in dotted_keys(Bot) if key != "name"])
@pytest.mark.parametrize("value", ["true", "nan", "-inf", "-1", "{ x = 1 }", "[true, 2]", "1979-05-27", '"\\u0000"'])
def test_what_cannot_be_a_value_is_told_when_the_file_is_read(key: str, value: str, tmp_path: Path) -> None:
    section, _, name = key.rpartition(".")
    line = f"{name} = {value}\n"
    plain = "".join(kept for kept in MINIMAL.splitlines(keepends=True) if not kept.startswith(f"{key} "))
    if value == "true" and key in SWITCHES:
        return
    write(tmp_path, f"{plain}[{section}]\n{line}" if section else line + plain)
    with pytest.raises(InvalidSettings, match=f"support.toml: {key}") as caught:
        load_bots(tmp_path)
    assert caught.value.problem.startswith("1 fault\n")
    assert "value error" not in caught.value.problem


def test_a_record_without_personal_data_wants_somebody_who_looks_for_it(tmp_path: Path) -> None:
    write(tmp_path, MINIMAL + "[privacy]\nmask = 'off'\nmask_before_storing = true\n")
    with pytest.raises(InvalidSettings, match='set mask to "names"'):
        load_bots(tmp_path)


def test_the_file_is_named_like_the_bot(tmp_path: Path) -> None:
    write(tmp_path, MINIMAL, name="other")
    with pytest.raises(InvalidSettings, match=r"Name the file support.toml"):
        load_bots(tmp_path)


def test_a_folder_without_bots_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(InvalidSettings, match="holds no bot"):
        load_bots(tmp_path)


class Clock:
    """Each look at the shelf is a second after the one before."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        self.now_s += 1
        return self.now_s


def test_a_changed_file_counts_and_a_faulty_one_changes_nothing(tmp_path: Path) -> None:
    write(tmp_path, MINIMAL, at=1)
    shelf = BotShelf(tmp_path, clock=Clock())
    write(tmp_path, MINIMAL.replace("Fern", "Moss"), at=2)
    assert shelf.find("support").title == "Moss"
    write(tmp_path, "name = 3", at=3)
    assert shelf.find("support").title == "Moss"
    (tmp_path / "support.toml").unlink()
    assert shelf.find("support").title == "Moss"


def test_a_faulty_file_does_not_hold_up_the_others(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    other = MINIMAL.replace("support", "aftercare")
    write(tmp_path, MINIMAL)
    write(tmp_path, other, name="aftercare")
    shelf = BotShelf(tmp_path, clock=Clock())
    write(tmp_path, other + "[schedule]\ncron = '61 3 * * *'\n", name="aftercare", at=1)
    write(tmp_path, MINIMAL.replace("Fern", "Moss"), at=1)
    assert [bot.title for bot in shelf.bots.values()] == ["Fern", "Moss"]
    assert [bot.title for bot in shelf.bots.values()] == ["Fern", "Moss"]
    assert ["minute must be a number" in record.message for record in caplog.records] == [True]
    write(tmp_path, other.replace("Fern", "Lichen"), name="aftercare", at=2)
    assert [bot.title for bot in shelf.bots.values()] == ["Lichen", "Moss"]
    (tmp_path / "aftercare.toml").unlink()
    assert list(shelf.bots) == ["support"]


def test_what_editors_and_systems_leave_beside_a_bot_is_nobody(tmp_path: Path) -> None:
    write(tmp_path, MINIMAL)
    (tmp_path / ".#support.toml").symlink_to("me@host.1234:5678")
    (tmp_path / "gone.toml").symlink_to(tmp_path / "nowhere")
    (tmp_path / "._support.toml").write_bytes(b"\0\5\x16\7")
    (tmp_path / "old.toml").mkdir()
    os.mkfifo(tmp_path / "pipe.toml")
    assert list(load_bots(tmp_path)) == ["support"]
    shelf = BotShelf(tmp_path, clock=Clock())
    (tmp_path / ".#other.toml").symlink_to("me@host.1234:5678")
    assert list(shelf.bots) == ["support"]


def test_a_link_in_a_circle_hides_no_other_bot(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write(tmp_path, MINIMAL)
    write(tmp_path, MINIMAL.replace("support", "aftercare"), name="aftercare")
    shelf = BotShelf(tmp_path, clock=Clock())
    (tmp_path / "aftercare.toml").unlink()
    (tmp_path / "aftercare.toml").symlink_to(tmp_path / "aftercare.toml")
    for name in ("before", "zebra"):
        (tmp_path / f"{name}.toml").symlink_to(tmp_path / f"{name}.toml")
    assert sorted(shelf.bots) == ["aftercare", "support"]
    assert sorted(shelf.bots) == ["aftercare", "support"]
    assert ["symbolic links" in record.message for record in caplog.records] == [True] * 3
    with pytest.raises(InvalidSettings, match="symbolic links"):
        load_bots(tmp_path)


def test_a_file_that_cannot_be_read_is_a_faulty_one(tmp_path: Path) -> None:
    write(tmp_path, MINIMAL)
    with pytest.raises(InvalidSettings, match="cannot be read"):
        load_bot(tmp_path / "nowhere.toml")
    (tmp_path / "support.toml").write_text("a = " + "[" * 5_000)
    with pytest.raises(InvalidSettings, match="is not TOML"):
        load_bots(tmp_path)


def test_files_that_come_and_go_meanwhile_end_nothing(tmp_path: Path) -> None:
    write(tmp_path, MINIMAL)
    shelf = BotShelf(tmp_path, clock=Clock())
    churn = f"cd {tmp_path}; for i in $(seq 200); do echo x > other.toml; rm other.toml; done"
    with subprocess.Popen(["bash", "-c", churn]) as churning:
        while churning.poll() is None:
            assert list(shelf.bots) == ["support"]
            assert list(load_bots_tolerantly(tmp_path)) in ([], ["support"])


def load_bots_tolerantly(folder: Path) -> Iterable[str]:
    try:
        return load_bots(folder)
    except InvalidSettings:  # the half-made file was seen
        return []


def test_the_disk_is_asked_once_a_second_at_most(tmp_path: Path) -> None:
    now = [0.0]
    write(tmp_path, MINIMAL, at=1)
    shelf = BotShelf(tmp_path, clock=lambda: now[0])
    write(tmp_path, MINIMAL.replace("Fern", "Moss"), at=2)
    now[0] = 0.9
    assert shelf.find("support").title == "Fern"
    now[0] = 1.0
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


def test_a_whole_model_learns_at_a_tenth_of_the_rates_unless_the_file_says_others(tmp_path: Path) -> None:
    write(tmp_path, MINIMAL + "[recipe]\nadapter = 'full'\nkto_learning_rate = 3e-6\n")
    recipe = load_bots(tmp_path)[BotName("support")].recipe
    assert (recipe.learning_rate, recipe.dpo_learning_rate, recipe.kto_learning_rate) == (2e-5, 5e-6, 3e-6)
    write(tmp_path, MINIMAL + "[recipe]\nadapter = 'qlora'\n")
    assert load_bots(tmp_path)[BotName("support")].recipe.learning_rate == 2e-4
