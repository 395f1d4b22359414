"""How often is a fault seen in what people wrote themselves? People's answers taken as if a candidate had given them.

Of each data set an exam is made, and its rows are answered with the reference itself, with what somebody answered to
the question that resembles it most (of the same intent, where the data names intents) in a conversation outside of the
exam, and with the reference and a closing sentence of that answer behind it. `customer_turns` holds the customers' side
alone: there each message is taken for the answer to the one before. Knows no candidate and no verdict.
"""

import json
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from bench.common.board import Board, read_board, read_talks
from bench.common.planted import Given
from eval.suites import SuiteRow
from eval.vetoes.fault import Fault
from nightschool.wording import sentences, words

ALIKE: Final = 0.35
"""Of the weight of two questions' words, which two must share for one's answer to be asked of the other."""


class Alarms(NamedTuple):
    data: str
    source: str
    answers: int
    found: Mapping[Fault, int]


def count_alarms(file: Path) -> list[Alarms]:
    board = read_board(file, seed=0)
    alarms: list[Alarms] = []
    for source, texts in (("itself", _themselves(board)), *_others(board, file)):
        scores = board.score("candidate", {place: Given(text) for place, text in texts.items()})
        counts = Counter(Fault(fault) for score in scores.values() for fault in score.faults)
        alarms.append(Alarms(board.name, source, len(texts), counts))
    return alarms


def _themselves(board: Board) -> dict[int, str]:
    return {place: row.reference for place, row in enumerate(board.rows)}


def _others(board: Board, file: Path) -> Iterator[tuple[str, dict[int, str]]]:
    intents = {talk["id"]: str(talk.get("intent", talk.get("topic", ""))) for talk in read_talks(file)}
    resembling = dict(_resembling(board.rows, board.outside, intents))
    yield "another's", {place: other.reference for place, other in resembling.items()}
    yield (
        "longer",
        {
            place: f"{board.rows[place].reference} {sentences(other.reference)[-1]}"
            for place, other in resembling.items()
            if sentences(other.reference)
        },
    )


def _resembling(
    rows: Sequence[SuiteRow], outside: Sequence[SuiteRow], intents: Mapping[str, str]
) -> Iterator[tuple[int, SuiteRow]]:
    asked = [frozenset(words(_question(row))) for row in outside]
    holders = Counter(word for said in asked for word in said)

    def weigh(said: frozenset[str]) -> float:
        return math.fsum(math.log((len(asked) + 1) / (holders[word] or 1)) for word in said)

    for place, row in enumerate(rows):
        mine, intent = frozenset(words(_question(row))), intents.get(row.conversation_id, "")
        near = [
            (weigh(mine & theirs) / (weigh(mine | theirs) or 1.0), number)
            for number, theirs in enumerate(asked)
            if intents.get(outside[number].conversation_id, "") == intent and outside[number].reference != row.reference
        ]
        best, number = max(near, default=(0.0, 0))
        if best >= ALIKE or (intent and near):
            yield place, outside[number]


def _question(row: SuiteRow) -> str:
    """What was said last, and what it answers."""
    return " ".join(message["content"] for message in row.messages[1:][-2:])


def write_turns_as_talks(file: Path, to: Path) -> Path:
    """The customers' side, each message as the answer to the one before."""
    talks = [
        {"id": talk["id"], "topic": talk["domain"], "messages": list(_as_messages(talk["turns"]))}
        for talk in read_talks(file)
    ]
    to.parent.mkdir(parents=True, exist_ok=True)
    to.write_text("".join(json.dumps(talk) + "\n" for talk in talks), encoding="utf-8")
    return to


def _as_messages(turns: Sequence[Mapping[str, Any]]) -> Iterator[Mapping[str, str]]:
    for place, turn in enumerate(turns):
        yield {"role": ("user", "assistant")[place % 2], "content": turn["text"]}


def show_alarms(found: Sequence[Alarms]) -> None:
    """A table: one line for each fault that was seen at all, one column for each source of answers."""
    print("seen in people's own answers".ljust(30) + "".join(f"{alarms.data[:17]:>18}" for alarms in found))
    print(" " * 30 + "".join(f"{alarms.source:>18}" for alarms in found))
    print("answers".ljust(30) + "".join(f"{alarms.answers:>18}" for alarms in found))
    for fault in Fault:
        if any(alarms.found.get(fault) for alarms in found):
            print(f"{fault:30}" + "".join(f"{alarms.found.get(fault, 0):>18}" for alarms in found))
