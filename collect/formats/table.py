"""The formats that an import may have, as a table: what each is called, which keys its rows have, and who reads one.

The first format whose keys a row has reads it. Where the first rows fit none, the file fits none, and is told so once,
with the nearest format. Does not know files (`collect.formats.containers`), nor the record.
"""

from collections.abc import Callable, Iterator
from typing import Any, BinaryIO, Final, NamedTuple

from collect.formats import answers, langfuse, openwebui, preference, sharegpt, tensorzero
from collect.formats.containers import read_rows
from collect.formats.read import BadLine, ParsedConversation, read_chat
from collect.formats.talk import ParsedNote, ParsedTree, Row, Unfit
from nightschool.errors import InvalidInput

Parsed = ParsedConversation | ParsedTree | ParsedNote
LOOKED_AT: Final = 20
"""So many rows may fit no format before the file does."""


class Format(NamedTuple):
    name: str
    keys: tuple[str, ...]
    """Of a row, all of them; `a|b` is one or the other."""
    read: Callable[[int, dict[str, Any]], Parsed | BadLine]
    """Raises Unfit, or InvalidInput for a text that is none."""

    def missing(self, row: dict[str, Any]) -> list[str]:
        return [key for key in self.keys if not any(name in row for name in key.split("|"))]


FORMATS: Final = (
    Format("openai-preference", ("input", "preferred_output|preferred_completion",
                                 "non_preferred_output|non_preferred_completion"), preference.read_openai_preference),
    Format("preference", ("chosen", "rejected"), preference.read_preference),
    Format("kto", ("prompt|instruction|conversations|messages", "label|kto_tag"), preference.read_kto),
    Format("openwebui-feedback", ("data", "meta", "user_id"), openwebui.read_feedback),
    Format("openwebui-chat", ("chat", "id"), openwebui.read_chat),
    Format("langfuse-trace", ("trace", "observations"), langfuse.read_trace),
    Format("langfuse-score", ("traceId|trace_id", "name", "source"), langfuse.read_score),
    Format("tensorzero-datapoint", ("dataset_name", "function_name", "input"), answers.read_datapoint),
    Format("tensorzero-inference", ("function_name", "input", "output"), tensorzero.read_inference),
    Format("tensorzero-feedback", ("target_id|inference_id", "value"), tensorzero.read_feedback),
    Format("openai-chat", ("messages",), read_chat),
    Format("sharegpt", ("conversations",), sharegpt.read_sharegpt),
    Format("alpaca", ("instruction", "output"), answers.read_alpaca),
    Format("prompt-completion", ("prompt", "completion"), answers.read_completion),
    Format("langfuse-trace", ("id", "input", "output", "timestamp|projectId"), langfuse.read_trace),
    Format("question-answer", ("question", "answer"), answers.read_question),
)  # fmt: skip
NAMES: Final = tuple(dict.fromkeys(each.name for each in FORMATS))


def read_file(
    file: BinaryIO,
    *,
    max_bytes: int,
    name: str | None = None,
    on_read: Callable[[str], None] = lambda _: None,
) -> Iterator[Parsed | BadLine]:
    """What each row of the file is, or what is wrong with it; `name` has all rows read as that format.

    `on_read` is told the format of each good row. Raises InvalidInput for an unknown name, and what
    `collect.formats.containers.read_rows` raises.
    """
    known = [each for each in FORMATS if name in {None, each.name}]
    if not known:
        raise InvalidInput(f"is no format ({name!r})", subject="format", remedy=f"One of: {', '.join(NAMES)}.")
    strangers: list[BadLine] = []
    is_known = False
    for row in read_rows(file, max_bytes=max_bytes):
        if isinstance(row, BadLine):
            yield row
            continue
        found = next((each for each in known if not each.missing(row.value)), None)
        if found is None:
            strangers.append(BadLine(row.line, _nearest(row.value, known), row.text))
            if len(strangers) == LOOKED_AT and not is_known:
                break
        else:
            parsed = _read(found, row)
            if not isinstance(parsed, BadLine):
                on_read(found.name)
            is_known = True
            yield parsed
        if is_known:
            yield from strangers
            strangers = []
    # Of a file that fits none the first row speaks for all.
    yield from strangers[:1]


def _read(found: Format, row: Row) -> Parsed | BadLine:
    try:
        parsed = found.read(row.line, row.value)
    except Unfit as fault:
        return BadLine(row.line, str(fault), row.text)
    except InvalidInput as fault:
        return BadLine(row.line, fault.problem, row.text)
    return BadLine(row.line, parsed.reason, row.text) if isinstance(parsed, BadLine) else parsed


def _nearest(row: dict[str, Any], known: list[Format]) -> str:
    # Of equals the plainer one, which stands further below.
    nearest = min(reversed(known), key=lambda each: len(each.missing(row)) / len(each.keys))
    missing = ", ".join(key.replace("|", " or ") for key in nearest.missing(row))
    if len(nearest.missing(row)) == len(nearest.keys) and len(known) > 1:
        return f"fits no format; known are {', '.join(NAMES)}"
    return f"fits no format; the nearest is {nearest.name}, which also has {missing}"
