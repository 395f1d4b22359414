"""No training row holds what an exam asks, also where grouping saw no likeness."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from nightschool.records import ChatMessage
from tune.decontaminate import Turn, asked_turns, find_leaks, suite_turns
from tune.rows import Named, name_row
from tune.select import Lesson, Lineage, Pair, Rated
from tune.words import Word

NOTHING = Lineage(("m",), (), (), is_let_in=True)
LONG = "Pack the planter in its own box, put the printed label on top and bring it to any parcel shop within 30 days."
OTHER = "We water every balcony twice a week while you are away, and the gardener sends you a photograph each evening."
CHINESE = "请把花盆放回原来的包装盒里，贴上打印好的标签，然后在三十天之内送到任何一家快递门店，费用由我们承担。"  # noqa: RUF001


def chat(*turns: str, origin: str = "import") -> tuple[ChatMessage, ...]:
    """Questions and answers by turns, behind a system prompt."""
    said = [ChatMessage(role="system", content="Be kind. " + OTHER)]
    for position, content in enumerate(turns):
        if position % 2:
            said.append(ChatMessage(role="assistant", content=content, origin=origin))
        else:
            said.append(ChatMessage(role="user", content=content))
    return tuple(said)


def lesson(name: str, *turns: str, origin: str = "import") -> Named:
    return name_row(Lesson(name, chat(*turns, origin=origin), NOTHING))


def leaks(rows: Sequence[Named], exam: Sequence[Named]) -> list[str]:
    found = find_leaks(rows, asked_turns(named.row.messages for named in exam if isinstance(named.row, Lesson)))
    return [named.row.conversation_id for named in rows if named.item_id in found]


def test_a_long_answer_under_quite_another_question_is_found() -> None:
    exam = [lesson("exam", "How do I return a planter?", LONG)]
    rows = [
        lesson("twin", "My aunt got two of them, what now?", f"Certainly! {LONG} Anything else?"),
        lesson("unlike", "How do I return a planter?", "Send it back."),
        lesson("short", "How?", " ".join(LONG.split()[:12])),
    ]
    assert leaks(rows, exam) == ["twin"]


@pytest.mark.parametrize("offset", range(8))
def test_a_passage_is_found_wherever_it_begins(offset: int) -> None:
    exam = [lesson("exam", "How do I return a planter?", LONG)]
    row = lesson("twin", "So?", " ".join(["well"] * offset + LONG.split()[3:17]))
    assert leaks([row], exam) == ["twin"]


def test_a_turn_that_two_unlike_conversations_share_is_found() -> None:
    exam = [lesson("exam", "Hello there.", "Hi!", "Is the Grove plan monthly?", "Yes, nine euros a month.")]
    rows = [
        lesson("shares", "Do you ship abroad?", "Yes.", "is the grove plan monthly", "Yes: nine euros a month"),
        lesson("asks the same", "Do you ship abroad?", "Yes.", "Is the Grove plan monthly?", "Ask the desk."),
        lesson("thanks", "Do you ship abroad?", "Yes.", "Hello there.", "Hi!"),
    ]
    assert leaks(rows, exam) == ["shares"]


def test_pairs_and_votes_are_looked_at_too() -> None:
    exam = [lesson("exam", "How do I return a planter?", LONG)]
    prompt = chat("What now?")
    rows = [
        name_row(Pair("chosen", prompt, LONG, "No.", NOTHING, Word.CORRECTED)),
        name_row(Pair("rejected", prompt, "No.", LONG, NOTHING, Word.CORRECTED)),
        name_row(Pair("clean", prompt, "No.", "Yes.", NOTHING, Word.CORRECTED)),
        name_row(Rated("vote", prompt, LONG, True, NOTHING)),
        name_row(Rated("told before", chat("What now?", LONG, "And?"), "No.", False, NOTHING)),
    ]
    assert leaks(rows, exam) == ["chosen", "rejected", "vote", "told before"]


def test_scripts_without_blanks_are_read_by_characters() -> None:
    exam = [lesson("exam", "怎么退货", CHINESE)]
    rows = [lesson("twin", "阿姨送了我两个", f"您好。{CHINESE[3:40]}"), lesson("unlike", "怎么退货", CHINESE[:14])]
    assert leaks(rows, exam) == ["twin"]


def test_what_many_conversations_say_gives_nothing_away() -> None:
    exam = [lesson("exam", "How do I return a planter?", LONG)]
    rows = [lesson(f"c{n}", f"What about number {n}?", LONG) for n in range(6)]
    assert leaks(rows[:5], exam) == [f"c{n}" for n in range(5)]
    assert leaks(rows, exam) == []


def test_only_what_is_asked_takes_rows_from_training() -> None:
    """One liked chat, or one approved answer behind a long paste, costs no row of anybody."""
    liked = lesson("liked", "How do I return a planter?", LONG, origin="like")
    pasted = lesson("pasted", f"{LONG} And {OTHER}", "Ask away.", "Is it free?", "It is free for members.")
    muted = Lesson("muted", chat("Hi?", LONG, "And then?", "See the page."), NOTHING)
    muted.messages[2]["weight"] = 0
    first, second = chat("Hello?", "Hi!"), pasted.row.messages if isinstance(pasted.row, Lesson) else ()
    later = Lesson("later", (*first, *second[3:]), NOTHING)
    row = lesson("row", "What now?", LONG)
    assert leaks([row], [liked]) == []
    assert leaks([row], [name_row(muted), name_row(later)]) == []
    assert leaks([row], [pasted]) == ["row"]


def test_the_system_prompt_is_everybodys() -> None:
    assert leaks([lesson("row", "What now?", "Wait.")], [lesson("exam", "Why?", "Because we care.")]) == []


def suite(file: Path, *turns: str) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps({"messages": list(chat(*turns)), "topic": "returns"}) + "\n")
    return file


def test_suites_are_files_or_folders_of_chats(tmp_path: Path) -> None:
    one = suite(tmp_path / "one.jsonl", "How?", LONG)
    suite(tmp_path / "more" / "deep" / "two.jsonl", "Why?", OTHER)
    turns = list(suite_turns([one, tmp_path / "more"]))
    assert turns == [Turn("How?", LONG), Turn("Why?", OTHER)]
    row = lesson("row", "What now?", OTHER)
    assert find_leaks([row], turns) == {row.item_id}


def test_a_turn_counts_as_whole_under_its_own_question_only() -> None:
    exam = [lesson("exam", "Is the Grove plan monthly?", "Nine.", "And the Canopy plan, is it monthly?", "Fifteen.")]
    rows = [
        lesson("crossed", "Is the Grove plan monthly?", "Fifteen."),
        lesson("crossed too", "And the Canopy plan, is it monthly?", "Nine."),
        lesson("same", "And the Canopy plan, is it monthly?", "Fifteen"),
    ]
    assert leaks(rows, exam) == ["same"]


def test_long_numbers_make_no_passage_another_one() -> None:
    exam = [lesson("exam", "Where is my order 4711000?", LONG.replace("30 days", "order 4711000"))]
    assert leaks([lesson("twin", "So?", LONG.replace("30 days", "order 815815"))], exam) == ["twin"]


@pytest.mark.parametrize("exam", [[], [lesson("short", "Hi?", "Hi!")], [lesson("empty", "", "")]])
def test_an_exam_that_asks_nothing_costs_nothing(exam: list[Named]) -> None:
    assert leaks([lesson("row", "How?", LONG)], exam) == []
    assert leaks([], exam) == []


def test_a_passage_that_is_little_of_what_is_asked_is_a_phrase_of_the_house() -> None:
    phrase = "please do not hesitate to contact our friendly support team at any time"
    long = " ".join(f"word{number}" for number in range(100))
    rows = [lesson("says it too", "What?", f"No. If you have questions, {phrase}.")]
    assert leaks(rows, [lesson("exam", "How?", f"Yes, {phrase}. {' '.join(long.split()[:38])}")]) == ["says it too"]
    assert leaks(rows, [lesson("exam", "How?", f"Yes, {phrase}. {' '.join(long.split()[:39])}")]) == []


def test_half_of_a_long_answer_is_found_wherever_it_lies() -> None:
    words = [f"word{letter}{number}" for number in range(10) for letter in "abcdefghij"]
    exam = [lesson("exam", "How?", " ".join(words))]
    pieces = [lesson(f"at {at}", "So?", "well " * at + " ".join(words[at : at + 50])) for at in (0, 17, 50)]
    assert leaks(pieces, exam) == ["at 0", "at 17", "at 50"]
