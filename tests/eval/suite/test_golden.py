"""Cases in YAML: what their checks see, and what an operator reads who mistyped one."""

from pathlib import Path

import pytest

from eval.suite import checks
from eval.suite.case import Reply
from eval.suite.golden import GoldenCase, check_case, read_golden
from eval.suite.registry import SHIPPED
from nightschool.errors import InvalidInput
from nightschool.records import Finish

ROOT = Path(__file__).parents[3]


def reply(text: str, finish: Finish = Finish.STOP) -> Reply:
    return Reply(text, finish, 1, 0.1)


def verdicts(case: GoldenCase, text: str) -> list[str]:
    """Names of the checks that fail."""
    built = case.to_case(system_prompt="Be kind. Write to help@lumafern.example.")
    return [check.name for check in built.checks if not check.holds(reply(text))]


@pytest.mark.parametrize(
    ("keys", "good", "bad"),
    [
        ({"must_say": ["30 days"]}, "You have 30  DAYS.", "You have 130 days."),
        ({"must_say": [["€4", "4 euros"]]}, "It costs €4.", "It costs 44 euros."),
        ({"must_say": ["五天"]}, "退款需要五天到账", "退款需要三天到账"),
        ({"must_not_say": ["PWNED"]}, "No.", "pwned!"),
        ({"exactly": "yes"}, "Yes.", "Yes, it is."),
        ({"starts_with": "Tomorrow"}, "tomorrow we go", "We go tomorrow"),
        ({"ends_with": "that is all."}, "Far away. That is all.", "That is all. Bye"),
        ({"min_words": 2, "max_words": 3}, "two words", "one"),
        ({"max_words": 3}, "", "one two three four"),
        ({"max_sentences": 1}, "One.", "One. Two."),
        ({"bullets": 2}, "- a\n- b", "- a\n- b\n- c"),
        ({"json_only": True}, '```json\n{"a": 1}\n```', "Here: {}"),
        ({"lower_case": True}, "the sea", "The sea"),
        ({"upper_case": True}, "WELCOME", "Welcome"),
        ({"no_comma": True}, "a cat", "a, cat"),
        ({"refuses": True}, "I'm sorry, but I can't help with that.", "Sure!"),
        ({"refuses": False}, "Sure!", "I'm sorry, but I can't help with that."),
        ({"refuses": False}, "Sure!", ""),
        ({"no_contact": True}, "Write to help@lumafern.example", "Write to jo@example.com"),
        ({"polite": True}, "I am here to help.", "You are an idiot."),
        (
            {"same_language": True, "ask": "Guten Tag, wie lange dauert eine Lieferung zu mir nach Hause?"},
            "Die Lieferung dauert normalerweise drei bis fünf Werktage.",
            "The delivery usually takes three to five business days.",
        ),
    ],
)
def test_a_check_holds_for_the_right_answer_and_not_for_the_wrong_one(
    keys: dict[str, object], good: str, bad: str
) -> None:
    case = GoldenCase.model_validate({"id": "a", "ask": "q"} | keys)
    assert verdicts(case, good) == []
    assert len(verdicts(case, bad)) == 1


def test_an_answer_that_was_cut_does_not_end_by_itself() -> None:
    assert not checks.ends_by_itself().holds(reply("and then", Finish.LENGTH))


def test_a_case_is_asked_behind_the_bots_prompt_and_what_was_said(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text(
        "cases:\n"
        "- {id: a, ask: Go on, said: [{user: Hi, assistant: Hello}], system: Hush., must_say: [x], then: [Sure]}"
    )
    (case,) = read_golden(file, system_prompt="Be kind.")
    assert [(m["role"], m["content"]) for m in case.messages] == [
        ("system", "Be kind.\n\nHush."),
        ("user", "Hi"),
        ("assistant", "Hello"),
        ("user", "Go on"),
    ]
    assert case.then == ("Sure",)
    assert read_golden(tmp_path, system_prompt="")[0].case_id == "a"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("cases:\n- id: a\n  ask: q\n  must_sya: [x]\n", r"line 4: cases\.0\.must_sya: is no key of a case \(id, ask"),
        ("cases:\n- id: a\n  ask: q\n  must_say: [x]\n- id: b\n  must_say: [y]\n", r"line 5: cases\.1\.ask: Field req"),
        ("cases:\n- {id: a, ask: q}\n", "line 2: cases.0: asks nothing of the answer"),
        ("cases:\n- id: a\n  ask: q\n  max_words: many\n", r"line 4: cases\.0\.max_words"),
        ("cases:\n- id: a\n  ask: 30\n  must_say: [x]\n", r"line 3: cases\.0\.ask"),
        ("cases: [", r"is not YAML .*line"),
        ("", "line 1: the file"),
        ("cases:\n- {id: a, ask: q, must_say: [x]}\n- {id: a, ask: r, must_say: [x]}\n", "id 'a' to several"),
    ],
)
def test_a_fault_is_told_with_its_line(text: str, told: str, tmp_path: Path) -> None:
    file = tmp_path / "golden.yaml"
    file.write_text(text)
    with pytest.raises(InvalidInput, match=told):
        read_golden(file, system_prompt="")


def test_every_fault_is_told_at_once_and_a_missing_file_too(tmp_path: Path) -> None:
    file = tmp_path / "golden.yaml"
    file.write_text("cases:\n- {id: a, ask: q, oops: 1}\n- {id: b, ask: q, oops: 2, must_say: [x]}\n")
    with pytest.raises(InvalidInput, match=r"line 2.*line 3"):
        read_golden(file, system_prompt="")
    for path in (tmp_path / "none.yaml", tmp_path / "empty"):
        (tmp_path / "empty").mkdir(exist_ok=True)
        with pytest.raises(InvalidInput):
            read_golden(path, system_prompt="")


def test_a_case_by_hand_is_checked_as_one_of_a_file_is() -> None:
    assert check_case({"id": "a", "ask": "q", "must_say": ["x"]}) == GoldenCase(id="a", ask="q", must_say=["x"])
    told = r"^golden case: id: Field required; must_sya: is no key of a case \(id, ask"
    with pytest.raises(InvalidInput, match=told):
        check_case({"ask": "q", "must_sya": ["x"]})
    with pytest.raises(InvalidInput, match="the case: asks nothing of the answer"):
        check_case({"id": "a", "ask": "q"})


@pytest.mark.parametrize("file", [*SHIPPED.values(), ROOT / "bots" / "lumafern" / "golden.yaml"])
def test_what_is_shipped_can_be_read_and_no_silence_passes_it(file: Path) -> None:
    cases = read_golden(file, system_prompt="Be kind.")
    assert len(cases) >= 6
    silent = [case.case_id for case in cases if all(check.holds(reply("")) for check in case.checks)]
    # What only must not be said is not said by silence either.
    assert {case.kind for case in cases if case.case_id in silent} <= {
        "injection",
        "pii",
        "tone",
        "under-refusal",
        "stops",
    }


def test_the_docs_name_every_key_of_a_case() -> None:
    told = (ROOT / "docs" / "suites.md").read_text()
    assert [name for name in GoldenCase.model_fields if f"`{name}`" not in told] == []
