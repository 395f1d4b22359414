"""A dataset folder with answers, pairs and votes in it, as the night writes one, for tests that train on it."""

from collections.abc import Iterable
from pathlib import Path

from nightschool.files import publish
from nightschool.records import ChatMessage
from tune.lack import Lack
from tune.parts import KINDS
from tune.rows import Heading, Named, name_row, write_kind, write_questions
from tune.select import Lesson, Lineage, Pair, Rated, Unanswered
from tune.split import Side
from tune.words import Word

LINEAGE = Lineage(messages=("m",), votes=(), reviews=(), is_let_in=True)


def write_open_questions(folder: Path, count: int) -> None:
    """Put questions that nobody answered well into a finished dataset."""
    rows = [name_row(_unanswered(number)) for number in range(count)]
    write_questions(folder, rows, headings=_head(rows))
    publish(folder, kind="dataset")


def write_school(folder: Path, *, lessons: int = 20, pairs: int = 12, up: int = 8, down: int = 6) -> Path:
    """A finished dataset of short rows of several lengths, all of them of the training side."""
    folder.mkdir()
    rows: dict[str, list[Named]] = {
        "sft": [name_row(_lesson(number)) for number in range(lessons)],
        "pairs": [name_row(_pair(number)) for number in range(pairs)],
        "votes": [name_row(_rated(number, is_good=number < up)) for number in range(up + down)],
    }
    for kind in KINDS:
        for side, some in ((Side.TRAIN, rows[kind]), (Side.HELD_OUT, [])):
            write_kind(folder, kind, side, some, headings=_head(some))
    publish(folder, kind="dataset")
    return folder


def write_judged_pairs(folder: Path, *, train: Iterable[Pair], held_out: Iterable[Pair]) -> None:
    """Put into a dataset in place of its pairs: those that a judge learns from, and those it is measured with."""
    for side, pairs in ((Side.TRAIN, list(train)), (Side.HELD_OUT, list(held_out))):
        rows = [name_row(pair) for pair in pairs]
        write_kind(folder, "pairs", side, rows, headings=_head(rows))
    publish(folder, kind="dataset")


def _head(rows: Iterable[Named]) -> dict[str, Heading]:
    return {named.row.conversation_id: Heading(named.row.conversation_id) for named in rows}


def _lesson(number: int) -> Lesson:
    answer = ChatMessage(role="assistant", content=f"yes {number % 3}, of course.")
    return Lesson(f"l{number}", (*_prompt(number), answer), LINEAGE)


def _pair(number: int) -> Pair:
    return Pair(
        f"p{number}",
        _prompt(number),
        f"yes {number % 3}, of course.",
        "no" + "." * (number % 4),
        LINEAGE,
        Word.CORRECTED,
    )


def _rated(number: int, *, is_good: bool) -> Rated:
    lineage = LINEAGE._replace(messages=(f"m{number}",))
    return Rated(f"v{number}", _prompt(number), f"it {'is' if is_good else 'was'} {number % 5}.", is_good, lineage)


def _unanswered(number: int) -> Unanswered:
    return Unanswered(f"u{number}", _prompt(100 + number), f"hm {number}", Lack.DISLIKED, LINEAGE)


def _prompt(number: int) -> tuple[ChatMessage, ...]:
    question = f"q{number} " + "why " * (number % 5)
    return ChatMessage(role="system", content="Be kind."), ChatMessage(role="user", content=question)
