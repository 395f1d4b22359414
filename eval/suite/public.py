"""Public sets of questions, from a folder in which the user has them: IFEval, MT-Bench and Banking77.

In: `FOLDER/NAME` with files of JSON Lines, plain or packed (`*.jsonl`, `*.jsonl.gz`), each set's rows in the form in
which it is given away. A fault is told with its file and line. All are asked without the bot's prompt; cases take turns
by their kind, so that the first ones stand for the whole. Does not know who answers.
"""

import gzip
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from eval.metrics.task import read_label
from eval.suite.case import Check, Suite, SuiteCase
from eval.suite.instructions import read_check
from nightschool.errors import InvalidInput
from nightschool.language import load_identifier
from nightschool.records import ChatMessage

LONG_TOKENS: Final = 1024
"""Essays are asked for; the bot's own longest answer bounds it."""
LABEL_TOKENS: Final = 32
REMEDY: Final = "Mend or replace the file; docs/suites.md says where each set is had and in which form."
_M = TypeVar("_M", bound=BaseModel)


class _Row(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class _Instructed(_Row):
    """A row of IFEval."""

    key: int | str
    prompt: str = Field(min_length=1)
    instruction_id_list: tuple[str, ...] = Field(min_length=1)
    kwargs: tuple[dict[str, Any], ...]


class _Turns(_Row):
    """A row of MT-Bench."""

    question_id: int | str
    category: str
    turns: tuple[str, ...] = Field(min_length=1)
    reference: tuple[str, ...] = ()


class _Labelled(_Row):
    """A row of Banking77."""

    id: int | str
    text: str = Field(min_length=1)
    intent: str = Field(min_length=1)


class _Line(NamedTuple):
    place: str
    content: str


def read_ifeval(folder: Path) -> Suite:
    """Passed where every instruction is followed. Raises InvalidInput."""
    cases = [_instructed(place, row) for place, row in _read(folder, _Instructed)]
    return Suite("ifeval", _in_turn(folder, cases), max_tokens=LONG_TOKENS)


def read_mt_bench(folder: Path) -> Suite:
    """Measured: only a judge could say which answer is good. Raises InvalidInput."""
    cases = [
        SuiteCase(
            str(row.question_id),
            _asked(row.turns[0]),
            then=row.turns[1:],
            # The answer to the last turn is looked at.
            reference=row.reference[-1] if len(row.reference) == len(row.turns) else None,
            kind=row.category,
        )
        for _, row in _read(folder, _Turns)
    ]
    return Suite("mt_bench", _in_turn(folder, cases), max_tokens=LONG_TOKENS)


def read_banking77(folder: Path) -> Suite:
    """Which of the set's intents a customer's message has. Raises InvalidInput."""
    rows = [row for _, row in _read(folder, _Labelled)]
    labels = tuple(sorted({row.intent for row in rows}))
    task = f"Which one of these intents has the customer's message? Answer with the intent alone.\n{', '.join(labels)}"
    cases = [
        SuiteCase(
            str(row.id),
            _asked(f"{task}\n\nMessage: {row.text}"),
            (_names(row.intent, labels),),
            label=row.intent,
            kind=row.intent,
        )
        for row in rows
    ]
    return Suite("banking77", _in_turn(folder, cases), max_tokens=LABEL_TOKENS, labels=labels)


PUBLIC: Final[Mapping[str, Callable[[Path], Suite]]] = {
    "ifeval": read_ifeval,
    "mt_bench": read_mt_bench,
    "banking77": read_banking77,
}


def read_public(name: str, folder: Path | None) -> Suite:
    """The set of that name, which lies in the folder of that name. Raises InvalidInput."""
    if folder is None:
        remedy = f"Name in suites.folder of the bot's file the folder that holds {name}, or leave it out of suites.run."
        raise InvalidInput(
            "is not set, and questions of a public set were asked for", subject="suites.folder", remedy=remedy
        )
    return PUBLIC[name](folder / name)


def _instructed(place: str, row: _Instructed) -> SuiteCase:
    if len(row.kwargs) != len(row.instruction_id_list):
        raise InvalidInput("has other numbers of instructions and arguments", subject=place, remedy=REMEDY)
    names = row.instruction_id_list
    try:
        found = [
            read_check(name, arguments, identify=load_identifier)
            for name, arguments in zip(names, row.kwargs, strict=True)
        ]
    except ValueError as error:
        raise InvalidInput(f"asks what it does not say ({error})", subject=place, remedy=REMEDY) from error
    unknown = [name for name, check in zip(names, found, strict=True) if check is None]
    return SuiteCase(
        str(row.key),
        _asked(row.prompt),
        () if unknown else tuple(filter(None, found)),
        kind=names[0].partition(":")[0],
        note=f"not judged: no check is known here for {', '.join(unknown)}" if unknown else "",
    )


def _names(label: str, labels: Sequence[str]) -> Check:
    return Check(f'names the label "{label}" and no other', lambda reply: read_label(reply.text, labels) == label)


def _asked(text: str) -> tuple[ChatMessage, ...]:
    return (ChatMessage(role="user", content=text),)


def _in_turn(folder: Path, cases: Iterable[SuiteCase]) -> tuple[SuiteCase, ...]:
    """One of each kind, then a second one of each, and so on; else as they stand."""
    placed, seen, kinds = [], set(), Counter[str]()
    for case in cases:
        if case.case_id in seen:
            raise InvalidInput(
                f"gives the id {case.case_id!r} to several questions", subject=str(folder), remedy=REMEDY
            )
        seen.add(case.case_id)
        placed.append((kinds[case.kind], case))
        kinds[case.kind] += 1
    if not placed:
        raise InvalidInput("holds no question (*.jsonl, *.jsonl.gz)", subject=str(folder), remedy=REMEDY)
    return tuple(case for _, case in sorted(placed, key=lambda one: one[0]))


def _read(folder: Path, model: type[_M]) -> Iterator[tuple[str, _M]]:
    """Each row, and where it stands."""
    for place, content in _lines(folder):
        try:
            yield place, model.model_validate_json(content)
        except ValidationError as error:
            fault = error.errors(include_url=False)[0]
            told = f"{'.'.join(map(str, fault['loc'])) or 'the row'}: {fault['msg']}"
            raise InvalidInput(f"is no row of this set ({told})", subject=place, remedy=REMEDY) from error


def _lines(folder: Path) -> Iterator[_Line]:
    files = sorted(file for file in folder.glob("[!.]*") if file.name.endswith((".jsonl", ".jsonl.gz")))
    for file in files:
        opened = gzip.open if file.suffix == ".gz" else open
        try:
            with opened(file, "rt", encoding="utf-8-sig") as lines:
                yield from (_Line(f"{file}, line {n}", line) for n, line in enumerate(lines, start=1) if line.strip())
        except (OSError, EOFError, ValueError, zlib.error) as error:
            raise InvalidInput(f"cannot be read ({error})", subject=str(file), remedy=REMEDY) from error
