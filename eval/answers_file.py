"""answers.parquet of an evaluation: who answered what, in their own words and as people would be shown it."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict

from eval.answers import Answer, Label
from eval.shown import Shown
from eval.suites import SuiteRow
from nightschool.tables import read_rows

ANSWERS: Final = "answers.parquet"
_TEXTS: Final = (
    "contestant", "row_id", "conversation_id", "messages_json", "reference", "text", "shown", "finish",
)  # fmt: skip
_SCHEMA: Final = pa.schema([*((name, pa.string()) for name in _TEXTS), ("completion_tokens", pa.int64())])


class AnswerRow(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    contestant: Label
    row_id: str
    messages_json: str
    reference: str
    text: str
    shown: str | None = None
    """None in evaluations that knew no guard."""

    @property
    def read(self) -> str:
        """As people would read it."""
        return self.text if self.shown is None else self.shown


def write_answers(
    file: Path,
    rows: Sequence[SuiteRow],
    answers: Mapping[Label, Mapping[str, Answer]],
    shown: Mapping[Label, Mapping[str, Shown]],
) -> None:
    """`answers` and `shown` by contestant, then by row id."""
    lines = [
        {
            "contestant": label,
            "row_id": row.row_id,
            "conversation_id": row.conversation_id,
            "messages_json": json.dumps(row.messages, ensure_ascii=False),
            "reference": row.reference,
            "text": own[row.row_id].text,
            "shown": shown[label][row.row_id].text,
            "finish": own[row.row_id].finish.value,
            "completion_tokens": own[row.row_id].completion_tokens,
        }
        for label, own in answers.items()
        for row in rows
    ]
    pq.write_table(pa.Table.from_pylist(lines, schema=_SCHEMA), file)


def read_answers(file: Path) -> Iterator[AnswerRow]:
    """Raises InvalidInput."""
    yield from read_rows(file, AnswerRow, row="an answer")
