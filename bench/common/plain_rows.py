"""A dataset's training rows as TRL documents them: what a user would have on disk instead of Nightschool's dataset."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nightschool.methods import Method
from nightschool.records import ChatMessage
from tune.rows import TRAIN, read_pairs, read_sft_rows, read_votes
from tune.split import Side


def write_plain_rows(method: Method, dataset: Path, file: Path) -> int:
    """One line each into `file`. Their number."""
    rows: list[dict[str, Any]]
    if method == "sft":
        rows = [
            {"prompt": _plain(row.messages[:-1]), "completion": _plain(row.messages[-1:])}
            for row in read_sft_rows(dataset / TRAIN)
        ]
    elif method == "dpo":
        rows = [
            {"prompt": _plain(row.prompt), "chosen": _said(row.chosen), "rejected": _said(row.rejected)}
            for row in read_pairs(dataset, Side.TRAIN)
        ]
    else:
        rows = [
            {"prompt": _plain(row.prompt), "completion": _said(row.answer), "label": row.is_good}
            for row in read_votes(dataset, Side.TRAIN)
        ]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return len(rows)


def _plain(messages: Sequence[ChatMessage]) -> list[dict[str, str]]:
    return [{"role": message["role"], "content": message["content"]} for message in messages]


def _said(answer: str) -> list[dict[str, str]]:
    return [{"role": "assistant", "content": answer}]
