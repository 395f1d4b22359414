"""Check a training file, line by line, before anybody trains on it: the first fault is told with its line.

In: an open JSON Lines file, a line for each row (`tune.training_lines`). Out: how many rows and, as an estimate, how
many tokens. A file of any size takes the memory of one line. Does not know where files are kept, nor who sent them.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO, Final, NamedTuple

from pydantic import ValidationError
from pydantic_core import from_json

from nightschool.errors import InvalidFile
from tune.training_lines import Format, Taught, format_of, least_of, read_line, texts_of

MAX_LINE_BYTES: Final = 4_000_000
MAX_FAULTS: Final = 10
COUNTED_ROWS: Final = 500
"""Their tokens are counted; what the rest has is worked out from its length."""
TURN_TOKENS: Final = 4
"""What a chat template puts around a message, about."""
REMEDY: Final = "docs/fine-tuning.md says how a line of each format looks."
BOM: Final = b"\xef\xbb\xbf"


class Line(NamedTuple):
    number: int
    taught: Taught


class Fault(NamedTuple):
    number: int
    problem: str


@dataclass(frozen=True, slots=True)
class Checked:
    """A file without a fault."""

    format: Format
    rows: int
    tokens: int
    """Estimated, of one pass over the file."""
    trained_tokens: int
    """Of these, those that are learnt."""


def check_file(file: BinaryIO, *, subject: str, context_tokens: int, count: Callable[[str], int]) -> Checked:
    """Raises InvalidFile, which names the first line that is at fault, also where nothing is in it, or nothing fits.

    `count` says how many tokens a text has.
    """
    meter = _Meter(count)
    rows = 0
    has_fitting = False
    faults: list[Fault] = []
    kind: Format | None = None
    for found, line in read_lines(file):
        kind = found
        if isinstance(line, Fault):
            faults.append(line)
            if len(faults) == MAX_FAULTS:
                break
            continue
        rows += 1
        meter.add(line.taught)
        has_fitting = has_fitting or _fits(line.taught, context_tokens, count)
    if faults:
        raise _refuse(faults, subject=subject)
    if kind is None:
        raise _refuse_whole("holds no row", subject=subject)
    if not has_fitting:
        raise _refuse_whole(f"holds no row that fits the context of {context_tokens} tokens", subject=subject)
    return Checked(kind, rows, meter.tokens, meter.trained_tokens)


def read_lines(file: BinaryIO) -> Iterator[tuple[Format | None, Line | Fault]]:
    """What each line teaches, or what is wrong with it, and the format that the first good one gave the file."""
    kind: Format | None = None
    number = 0
    while raw := file.readline(MAX_LINE_BYTES + 1):
        number += 1
        if len(raw) > MAX_LINE_BYTES:
            yield kind, Fault(number, f"is longer than {MAX_LINE_BYTES} bytes")
            return
        text = raw.removeprefix(BOM) if number == 1 else raw
        if not text.strip():
            continue
        line = _read(text, number, kind)
        if isinstance(line, Line):
            kind = kind or format_of(_keys(text))
        yield kind, line


def _read(text: bytes, number: int, kind: Format | None) -> Line | Fault:
    try:
        text.decode()
    except UnicodeDecodeError as error:
        return Fault(number, f"is not UTF-8 (byte {error.start + 1})")
    try:
        found = format_of(_keys(text))
    except ValueError as error:
        return Fault(number, f"is not a JSON object ({error})")
    if found is None:
        return Fault(number, "holds neither messages, nor input, nor prompt")
    if kind is not None and found is not kind:
        return Fault(number, f"is a {found} where the lines before are {kind}s: a file has one format")
    try:
        return Line(number, read_line(text, found, name=f"line-{number}"))
    except ValidationError as error:
        return Fault(number, _describe(error))


def _keys(text: bytes) -> list[str]:
    """Raises ValueError where it is no object."""
    value = from_json(text, allow_inf_nan=False)
    if not isinstance(value, dict):
        raise ValueError("it is something else")  # a fault of the text
    return list(value)


def _describe(error: ValidationError) -> str:
    fault = error.errors(include_url=False, include_context=False, include_input=False)[0]
    where = ""
    for part in fault["loc"]:
        where += f"[{part}]" if isinstance(part, int) else f".{part}"
    problem = fault["msg"].removeprefix("Value error, ")
    problem = problem[:1].lower() + problem[1:]
    if fault["type"] == "extra_forbidden":
        problem = "is not a field here"
    elif fault["type"] == "missing":
        problem = "is missing"
    return ": ".join(filter(None, (where.removeprefix(".")[:120], problem)))


def _fits(taught: Taught, context_tokens: int, count: Callable[[str], int]) -> bool:
    least = least_of(taught)
    frame = TURN_TOKENS * len(least)
    # No tokenizer makes more tokens than bytes of a text.
    if sum(len(text.encode()) for text in least) + frame <= context_tokens:
        return True
    return sum(count(text) for text in least) + frame <= context_tokens


class _Meter:
    """Adds up what rows have in tokens."""

    def __init__(self, count: Callable[[str], int]) -> None:
        self._count = count
        self._rows = self._counted_chars = self._counted_tokens = 0
        self.tokens = self.trained_tokens = 0

    def add(self, taught: Taught) -> None:
        said, learnt = texts_of(taught)
        self._rows += 1
        if self._rows <= COUNTED_ROWS:
            trained = sum(map(self._count, learnt))
            learnt_chars = sum(map(len, learnt))
            context = list(said)
            for text in learnt:
                context.remove(text)
            whole = trained + sum(map(self._count, context))
            self._counted_chars += sum(map(len, context)) + learnt_chars
            self._counted_tokens += whole
        else:
            share = self._counted_tokens / max(self._counted_chars, 1)
            whole, trained = round(share * sum(map(len, said))), round(share * sum(map(len, learnt)))
        self.tokens += whole + TURN_TOKENS * len(said)
        self.trained_tokens += trained + len(learnt)


def _refuse(faults: list[Fault], *, subject: str) -> InvalidFile:
    first, *others = faults
    more = f" (and {len(others)} more, in line {', '.join(str(fault.number) for fault in others)})" if others else ""
    return InvalidFile(f"{first.problem}{more}", subject=f"{subject}, line {first.number}", remedy=REMEDY, param="file")


def _refuse_whole(problem: str, *, subject: str) -> InvalidFile:
    return InvalidFile(problem, subject=subject, remedy=REMEDY, param="file")
