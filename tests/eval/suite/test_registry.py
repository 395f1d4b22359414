"""Which suites an exam asks, and that nobody's faulty one ends it."""

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from eval.suite.registry import SuiteOrder, gather_suites
from eval.suite.regression import is_fixed, read_regression
from nightschool.knowledge import Found, Passage, render
from nightschool.records import ChatMessage

from ...tables import write_table


def order(tmp_path: Path, *names: str, golden: Path | None = None, max_cases: int = 24) -> SuiteOrder:
    return SuiteOrder(names, "Be kind.", tmp_path, (golden,) if golden else (), max_cases)


def test_shipped_suites_are_bounded_and_what_is_unknown_or_faulty_is_told(tmp_path: Path) -> None:
    faulty = tmp_path / "golden.yaml"
    faulty.write_text("cases:\n- {id: a}\n")
    suites, problems = gather_suites(
        order(tmp_path, "golden", "retention", "regression", "nope", golden=faulty, max_cases=3)
    )
    assert [(suite.name, len(suite.cases)) for suite in suites] == [("retention", 3)]
    assert len(problems) == 2
    assert "line 2" in problems[0]
    assert "nope: is no suite here. Choose among banking77, behaviour, general, golden," in problems[1]
    # General skill is asked for without the bot's prompt, manners with it.
    behaviour = gather_suites(order(tmp_path, "behaviour")).suites[0]
    assert suites[0].cases[0].messages[0]["role"] == "user"
    assert behaviour.cases[0].messages[0]["content"].startswith("Be kind.")


def test_of_general_text_only_the_likelihood_is_asked(tmp_path: Path) -> None:
    [general] = gather_suites(order(tmp_path, "general")).suites
    assert (len(general.cases), general.max_tokens, general.scores_references) == (24, 0, True)
    assert {case.kind for case in general.cases} == {"english", "french", "german", "spanish"}
    assert all(30 < len((case.reference or "").split()) < 90 and not case.checks for case in general.cases)
    # Without the bot's prompt.
    assert {len(case.messages) for case in general.cases} == {1}


def test_an_installed_package_offers_a_suite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "their_suites.py").write_text(
        "from eval.suite.case import Suite, SuiteCase\n"
        "def make(prompt):\n"
        "    return Suite('x', (SuiteCase('a', ({'role': 'user', 'content': prompt},)),))\n"
        "def odd(prompt):\n"
        "    return 7\n"
    )
    info = tmp_path / "theirs-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: theirs\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[nightschool.suites]\nours = their_suites:make\nodd = their_suites:odd\ngone = their_suites:gone\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    suites, problems = gather_suites(order(tmp_path, "ours", "odd", "gone"))
    monkeypatch.delitem(sys.modules, "their_suites")
    assert [(suite.name, suite.cases[0].messages[0]["content"]) for suite in suites] == [("ours", "Be kind.")]
    assert [problem.split(":")[0] for problem in problems] == ["odd", "gone"]


@pytest.mark.parametrize(
    ("answer", "fixed"),
    [
        ("Refunds take 5 days after we got the parcel.", True),
        ("After we got the parcel, refunds take 5 days.", True),
        ("Refunds take 30 days after we got the parcel.", False),
        ("Refunds take 5 to 30 days after we got the parcel.", False),
        ("Refunds take some days.", False),
        ("", False),
    ],
)
def test_a_complaint_is_fixed_by_what_the_correction_changed(answer: str, fixed: bool) -> None:
    complained, correction = "Refunds take 30 days.", "Refunds take 5 days after we got the parcel."
    assert is_fixed(answer, complained=complained, correction=correction) is fixed


def make_dataset(folder: Path, *, pairs: int) -> None:
    def prompt(n: int) -> list[dict[str, str]]:
        return [{"role": "system", "content": "Be kind."}, {"role": "user", "content": f"question {n}"}]

    rows = [
        {"item_id": f"p{n}", "prompt": prompt(n), "chosen": f"right {n}", "rejected": f"wrong {n}"}
        for n in range(pairs)
    ]
    write_table(folder / "pairs_train.parquet", rows[::2])
    write_table(folder / "pairs_held_out.parquet", rows[1::2])
    # The first pair is of no operator's making, the second one's answer was disliked by nobody.
    items = [{"item_id": f"p{n}", "reviews": ["m"] if n else []} for n in range(pairs)]
    write_table(folder / "items.parquet", items)
    votes = [{"prompt": prompt(n), "answer": f"wrong {n}", "is_good": n == 1} for n in range(pairs)]
    write_table(folder / "votes_train.parquet", votes)


def test_a_downvoted_answer_with_its_correction_stays_a_test(tmp_path: Path) -> None:
    make_dataset(tmp_path, pairs=6)
    cases = read_regression(tmp_path, max_cases=10)
    assert sorted(case.case_id for case in cases) == ["p2", "p3", "p4", "p5"]
    assert [case.reference for case in cases if case.case_id == "p2"] == ["right 2"]
    assert cases == () or cases[0].messages[0]["content"] == "Be kind."
    assert len(read_regression(tmp_path, max_cases=3)) == 3
    assert [c.case_id for c in read_regression(tmp_path, max_cases=3)] == [
        c.case_id for c in read_regression(tmp_path, max_cases=3)
    ]
    assert read_regression(tmp_path / "none", max_cases=3) == ()


def test_a_bots_own_cases_are_asked_below_what_its_documents_hold(tmp_path: Path) -> None:
    golden = tmp_path / "golden.yaml"
    golden.write_text(
        'cases:\n- {id: price, ask: "What does Grove cost?", must_say: [4 euro]}\n'
        '- {id: "on", ask: Hi, then: ["And Grove?"], must_say: [4 euro]}\n'
    )
    passage = Passage("1", "Plans", "Grove", "Grove costs 4 euro.")
    asked: list[Sequence[str]] = []

    def find(said: Sequence[str]) -> Found:
        asked.append(said)
        return Found((passage,), (0.9,), "hash")

    wanted = replace(order(tmp_path, "golden", "retention", "behaviour", golden=golden), find=find)
    own, general, manners = gather_suites(wanted).suites
    price, on = own.cases
    assert price.messages == tuple(
        render("Be kind.", [ChatMessage(role="user", content="What does Grove cost?")], [passage])
    )
    assert on.messages[-1]["content"] == "Hi"
    assert ["What does Grove cost?"] in asked
    assert "Grove costs 4 euro." in manners.cases[0].messages[-1]["content"]
    assert not any("Grove costs" in message["content"] for case in general.cases for message in case.messages)
