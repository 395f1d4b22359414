"""Public sets from a folder: files of our own in the form in which each is given away."""

import gzip
import json
import re
from collections.abc import Sequence
from pathlib import Path

import pytest

from eval.answers import Contestant
from eval.suite.case import Reply, Suite
from eval.suite.public import PUBLIC
from eval.suite.registry import SuiteOrder, gather_suites
from eval.suite.run import judge
from nightschool.records import Finish

SHARED = Path(__file__).parents[4] / "shared" / "data"
BASE = Contestant("base", "base", "")
IFEVAL = [
    {
        "key": 1,
        "prompt": "Describe the sea in capital letters, in 3 words or more.",
        "instruction_id_list": ["change_case:english_capital", "length_constraints:number_words"],
        "kwargs": [{}, {"relation": "at least", "num_words": 3}],
    },
    {"key": 2, "prompt": "Rhyme.", "instruction_id_list": ["punctuation:no_comma", "x:rhymes"], "kwargs": [{}, {}]},
]
MT_BENCH = [
    {"question_id": 81, "category": "math", "turns": ["2 + 2?", "And twice that?"], "reference": ["4", "8"]},
    {"question_id": 82, "category": "math", "turns": ["3 + 3?", "Why?"]},
    {"question_id": 83, "category": "writing", "turns": ["Write a line.", "Another."]},
]
BANKING = [
    {"id": "b0", "text": "Where is my card?", "intent": "card_arrival"},
    {"id": "b1", "text": "My card is not here yet.", "intent": "card_arrival"},
    {"id": "b2", "text": "How do I add money?", "intent": "top_up"},
]


def order(folder: Path | None, *names: str, max_cases: int = 60) -> SuiteOrder:
    return SuiteOrder(names or tuple(PUBLIC), "Be kind.", Path(), (), max_cases, folder)


def write(file: Path, rows: Sequence[object]) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    content = "".join(json.dumps(row) + "\n" for row in rows).encode()
    file.write_bytes(gzip.compress(content) if file.suffix == ".gz" else content)
    return file


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path / "ifeval" / "ifeval.jsonl", IFEVAL)
    write(tmp_path / "mt_bench" / "question.jsonl", MT_BENCH)
    write(tmp_path / "banking77" / "train.jsonl.gz", BANKING)
    return tmp_path


def status(suite: Suite, *texts: str) -> list[str]:
    replies = [Reply(text, Finish.STOP, 1, None) for text in texts]
    return [case.status for case in judge(suite, replies, contestant=BASE).cases]


def test_instructions_are_checked_and_what_asks_an_unknown_one_is_measured_and_told(folder: Path) -> None:
    [suite] = gather_suites(order(folder, "ifeval")).suites
    assert [case.case_id for case in suite.cases] == ["1", "2"]
    assert [case.messages[0]["role"] for case in suite.cases] == ["user", "user"]
    assert status(suite, "THE SEA IS BLUE", "a rhyme") == ["passed", "measured"]
    assert status(suite, "THE SEA", "a, rhyme") == ["failed", "measured"]
    result = judge(suite, [Reply("THE SEA", Finish.STOP, 1, None)] * 2, contestant=BASE)
    assert result.cases[0].failed_checks == ("length_constraints:number_words (relation 'at least', num_words 3)",)
    assert "x:rhymes" in result.cases[1].note


def test_two_turns_are_asked_and_only_measured(folder: Path) -> None:
    [suite] = gather_suites(order(folder, "mt_bench")).suites
    # Categories take turns.
    assert [(case.case_id, case.then, case.reference) for case in suite.cases] == [
        ("81", ("And twice that?",), "8"),
        ("83", ("Another.",), None),
        ("82", ("Why?",), None),
    ]
    assert status(suite, "8", "x", "y") == ["measured"] * 3


def test_an_intent_is_right_or_wrong_and_has_its_f1(folder: Path) -> None:
    [suite] = gather_suites(order(folder, "banking77")).suites
    assert suite.labels == ("card_arrival", "top_up")
    assert [case.label for case in suite.cases] == ["card_arrival", "top_up", "card_arrival"]
    assert suite.cases[0].messages[0]["content"].endswith("card_arrival, top_up\n\nMessage: Where is my card?")
    said = ["Card arrival.", "It is top_up", "top_up or card_arrival"]
    assert status(suite, *said) == ["passed", "passed", "failed"]
    figures = judge(suite, [Reply(text, Finish.STOP, 1, None) for text in said], contestant=BASE).figures
    assert figures["accuracy"] == pytest.approx(2 / 3)
    assert figures["task_f1"] == pytest.approx((2 / 3 + 1) / 2)


def test_the_first_cases_stand_for_the_whole(folder: Path) -> None:
    suites = gather_suites(order(folder, max_cases=2)).suites
    assert [sorted({case.kind for case in suite.cases}) for suite in suites[1:]] == [
        ["math", "writing"],
        ["card_arrival", "top_up"],
    ]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "banking77: holds no question"),
        (b'\n{"id": 1, "text": "a", "intent": "b"}\n\n{"id": 2}\n', r"line 4: is no row of this set \(text: Field"),
        (b"{oops\n", "line 1: is no row of this set"),
        (b'{"id": 1, "text": "a", "intent": "b"}\n' * 2, "gives the id '1' to several questions"),
        (b"\xff\xfe\x00", "cannot be read .*utf-8"),
    ],
)
def test_a_damaged_file_is_told_with_its_line_and_the_others_are_asked(content: bytes, told: str, folder: Path) -> None:
    (folder / "banking77" / "train.jsonl.gz").unlink()
    (folder / "banking77" / "train.jsonl").write_bytes(content)
    suites, problems = gather_suites(order(folder))
    assert [suite.name for suite in suites] == ["ifeval", "mt_bench"]
    assert [bool(re.search(told, problem)) for problem in problems] == [True]


@pytest.mark.parametrize("damage", ["cut", "plain"])
def test_a_damaged_archive_is_told(damage: str, folder: Path) -> None:
    file = folder / "banking77" / "train.jsonl.gz"
    file.write_bytes(file.read_bytes()[:-12] if damage == "cut" else b"{}")
    assert "train.jsonl.gz: cannot be read" in gather_suites(order(folder)).problems[0]


def test_arguments_that_are_missing_are_told_with_their_line(folder: Path) -> None:
    for count in (1, 2):
        arguments: list[dict[str, object]] = [{} for _ in range(count)]
        write(folder / "ifeval" / "ifeval.jsonl", [IFEVAL[0] | {"kwargs": arguments}])
        [problem] = gather_suites(order(folder, "ifeval")).problems
        assert problem.startswith(f"ifeval: {folder / 'ifeval' / 'ifeval.jsonl'}, line 1: ")


def test_what_is_not_there_is_told(tmp_path: Path) -> None:
    problems = gather_suites(order(tmp_path / "nowhere", "ifeval")).problems
    assert problems[0].startswith(f"ifeval: {tmp_path / 'nowhere' / 'ifeval'}: holds no question")
    assert "suites.folder: is not set" in gather_suites(order(None, "mt_bench")).problems[0]
    assert gather_suites(order(None, "golden")).problems == ()


@pytest.mark.skipif(not SHARED.exists(), reason="the public sets are not here")
def test_the_sets_themselves_can_be_read() -> None:
    suites, problems = gather_suites(order(SHARED, max_cases=100_000))
    assert problems == ()
    assert [(suite.name, len(suite.cases), len(suite.labels)) for suite in suites] == [
        ("ifeval", 100, 0),
        ("mt_bench", 80, 0),
        ("banking77", 9978, 77),
    ]
    assert [case.note for case in suites[0].cases if case.note] == []
