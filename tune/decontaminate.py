"""Find training rows that hold what an exam asks: a passage of 13 words in a row, or a whole turn word for word.

Groups of near-duplicates keep like questions apart; this catches what they miss: a long answer that stands under quite
another question, a turn that two otherwise unlike conversations share, and the suites that a bot's file names, which
no group knows. An exam is the answers that people wrote or approved and the questions to them, not the talk before, or
whoever pastes many texts into one chat would take as many rows from training. What a house always says gives nothing
away: passages that more conversations hold than 5, or 1 % of them, and those that are in all less than a quarter of
what is asked or answered.
"""

from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Final, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from nightschool.records import ChatMessage
from tune.chats import read_chats
from tune.duplicates import FEW, MANY_SHARE
from tune.passages import PASSAGE_WORDS, Known, PassageReader
from tune.rows import HELD_OUT, Named, Row, read_sft_rows
from tune.select import Lesson, Pair
from tune.shingles import TEXTS_AT_ONCE, Ints
from tune.words import Word

MIN_TURN_WORDS: Final = 8
"""A shorter turn ("Thanks!" "You are welcome.") is everybody's."""

SHARE: Final = 0.25
"""Passages that are less than this of an exam's question or answer are phrases of the house. Of two thirds of 1,200
public support answers some passage stands in 300 others; a quarter of one stands in a twentieth of them."""

N = TypeVar("N", np.int64, np.uint64)


class Turn(NamedTuple):
    asked: str
    said: str


def asked_turns(held_out: Iterable[Sequence[ChatMessage]]) -> Iterator[Turn]:
    """What the chats of held-out rows ask."""
    for messages in held_out:
        for before, message in pairwise(messages):
            is_asked = message["role"] == "assistant" and message.get("weight", 1) != 0
            if is_asked and Word(message.get("origin", Word.IMPORTED)).is_operators:
                yield Turn(_question(before), message["content"])


def suite_turns(suites: Iterable[Path]) -> Iterator[Turn]:
    """What the named files and folders of chats ask. Raises InvalidInput."""
    for suite in suites:
        for chat in read_chats(suite, key="recipe.suites"):
            yield from _turns(chat)


def exam_turns(dataset: Path, suites: Iterable[Path]) -> Iterator[Turn]:
    """What the exam of a finished dataset asks, and what `suites` do. Raises InvalidInput."""
    yield from asked_turns(row.messages for row in read_sft_rows(dataset / HELD_OUT))
    yield from suite_turns(suites)


def find_leaks(rows: Sequence[Named], exam: Iterable[Turn]) -> frozenset[str]:
    """Ids of the rows that hold what the exam asks."""
    asked = _Exam(list(exam))
    said = _Said(rows)
    found = asked.find(said.texts)
    many = max(FEW, round(MANY_SHARE * said.conversations))
    given_away = _given_away(asked, found, said.spoken_in(), many=many)
    leaks = {rows[number].item_id for number in said.rows_with(given_away)}
    return frozenset(leaks | _whole_turns(rows, dict(zip(said.texts, found.wholes, strict=True)), asked, many=many))


class _Found(NamedTuple):
    """What n texts have in common with an exam."""

    passages: csr_array
    """(n, passages of the exam) 1 where a text holds one."""
    wholes: Sequence[int]
    """(n,) all words of a text as one hash where that is one of the exam's; else 0."""


class _Exam:
    """What is asked, as passages and turns."""

    def __init__(self, turns: Sequence[Turn]) -> None:
        self._reader = PassageReader()
        texts = list(dict.fromkeys(text for turn in turns for text in turn))
        read = list(self._reader.read(texts))
        runs = _joined([some.runs for some in read], np.uint64)
        of = _joined([some.of + number * TEXTS_AT_ONCE for number, some in enumerate(read)], np.int64)
        self.words = _joined([some.words for some in read], np.int64)
        """(texts,)"""
        self._passages = Known(runs)
        self.holders = _incidence(self._passages.find(runs).which, of, (len(self._passages), len(texts)))
        """(passages, texts)"""
        wholes = _joined([some.wholes for some in read], np.uint64).tolist()
        whole = dict(zip(texts, zip(wholes, self.words.tolist(), strict=True), strict=True))
        pairs = [(whole[turn.asked], whole[turn.said]) for turn in turns]
        self.turns = frozenset(
            (asked[0], said[0])
            for asked, said in pairs
            if asked[1] and said[1] and asked[1] + said[1] >= MIN_TURN_WORDS
        )
        self._wholes = Known(np.array([part for turn in self.turns for part in turn], np.uint64))

    def find(self, texts: Iterable[str]) -> _Found:
        """What of it stands in the texts."""
        places: list[Ints] = [np.empty(0, np.int64)]
        which: list[Ints] = [np.empty(0, np.int64)]
        wholes: list[int] = []
        for some in self._reader.read(texts):
            here = self._passages.find(some.runs)
            places.append(some.of[here.places] + len(wholes))
            which.append(here.which)
            known = np.zeros(len(some.words), np.uint64)
            same = self._wholes.find(some.wholes).places
            known[same] = some.wholes[same]
            wholes += known.tolist()
        shape = (len(wholes), len(self._passages))
        return _Found(_incidence(np.concatenate(places), np.concatenate(which), shape), wholes)


class _Said:
    """Every text of some rows, each once."""

    def __init__(self, rows: Sequence[Named]) -> None:
        self.texts: dict[str, int] = {}
        """With their places."""
        names: dict[str, int] = {}
        row_of, text_of, conversation_of = array("q"), array("q"), array("q")
        for number, named in enumerate(rows):
            conversation = names.setdefault(named.row.conversation_id, len(names))
            for text in _texts(named.row):
                row_of.append(number)
                text_of.append(self.texts.setdefault(text, len(self.texts)))
                conversation_of.append(conversation)
        self.conversations = len(names)
        self._row_of, self._text_of, self._conversation_of = (
            np.array(column, np.int64) for column in (row_of, text_of, conversation_of)
        )

    def spoken_in(self) -> csr_array:
        """(conversations, texts)"""
        return _incidence(self._conversation_of, self._text_of, (self.conversations, len(self.texts)))

    def rows_with(self, texts: NDArray[np.bool_]) -> list[int]:
        """Numbers of the rows that hold one of them."""
        numbers: list[int] = np.unique(self._row_of[texts[self._text_of]]).tolist()
        return numbers


def _given_away(exam: _Exam, found: _Found, spoken_in: csr_array, *, many: int) -> NDArray[np.bool_]:
    """(texts,) whether one gives away a question or answer of the exam."""
    told_by = np.bincount((spoken_in @ found.passages).indices, minlength=found.passages.shape[1])
    rare = np.flatnonzero(told_by <= many)
    # So many passages that lie side by side are that many words and those of one passage more, less one.
    shared = (found.passages[:, rare] @ exam.holders[rare]).tocoo()
    covered = shared.data + (PASSAGE_WORDS - 1) >= SHARE * exam.words[shared.col]
    given = np.zeros(shared.shape[0], np.bool_)
    given[shared.row[covered]] = True
    return given


def _whole_turns(rows: Sequence[Named], wholes: Mapping[str, int], exam: _Exam, *, many: int) -> set[str]:
    """Ids of the rows in which a turn of the exam stands word for word."""
    holders: dict[tuple[int, int], set[str]] = {}
    held: list[tuple[str, tuple[int, int]]] = []
    for named in rows if any(wholes.values()) else ():
        for asked, said in _row_turns(named.row):
            turn = wholes.get(asked, 0), wholes.get(said, 0)
            if turn in exam.turns:
                holders.setdefault(turn, set()).add(named.row.conversation_id)
                held.append((named.item_id, turn))
    return {item_id for item_id, turn in held if len(holders[turn]) <= many}


def _incidence(rows: Ints, columns: Ints, shape: tuple[int, int]) -> csr_array:
    """1 where a row and a column meet, however often."""
    found = csr_array((np.ones(len(rows), np.int32), (rows, columns)), shape=shape)
    found.sum_duplicates()
    found.data[:] = 1
    return found


def _joined(parts: Sequence[NDArray[N]], kind: type[N]) -> NDArray[N]:
    return np.concatenate([np.empty(0, kind), *parts])


def _texts(row: Row) -> Iterator[str]:
    """All that is said in it; the system prompt is the bot's own."""
    yield from (
        m["content"] for m in (row.messages if isinstance(row, Lesson) else row.prompt) if m["role"] != "system"
    )
    if isinstance(row, Pair):
        yield from (row.chosen, row.rejected)
    elif not isinstance(row, Lesson):
        yield row.answer


def _row_turns(row: Row) -> Iterator[Turn]:
    if isinstance(row, Lesson):
        yield from _turns(row.messages)
        return
    yield from _turns(row.prompt)
    for answer in (row.chosen, row.rejected) if isinstance(row, Pair) else (row.answer,):
        yield Turn(_question(row.prompt[-1]), answer)


def _turns(messages: Sequence[ChatMessage]) -> Iterator[Turn]:
    """Each answer with what was asked before it."""
    for before, message in pairwise([ChatMessage(role="system", content=""), *messages]):
        if message["role"] == "assistant":
            yield Turn(_question(before), message["content"])


def _question(before: ChatMessage) -> str:
    return before["content"] if before["role"] == "user" else ""
