"""A dataset's training rows once more, as other trainers take them: TRL's JSON Lines, and LLaMA-Factory's table.

In: rows of the training side. Out: a file for each kind that has some, with the columns that TRL's trainers ask for and
those that LLaMA-Factory's table names, and `dataset_info.json`. Held-out rows are not among them: whoever trains on
the folder learns no exam. Does not know either library.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from nightschool.records import ChatMessage
from tune.rows import Kind, Named
from tune.select import Lesson, Pair, Rated

INFO: Final = "dataset_info.json"
FILES: Final[Mapping[Kind, str]] = {"sft": "trl_sft.jsonl", "pairs": "trl_dpo.jsonl", "votes": "trl_kto.jsonl"}
_TAGS: Final = {"role_tag": "role", "content_tag": "content", "user_tag": "user", "assistant_tag": "assistant",
                "system_tag": "system"}  # fmt: skip
_COLUMNS: Final[Mapping[Kind, dict[str, Any]]] = {
    "sft": {"columns": {"messages": "messages"}},
    "pairs": {
        "ranking": True,
        "columns": {"messages": "prompt", "chosen": "chosen_message", "rejected": "rejected_message"},
    },
    "votes": {"columns": {"messages": "messages", "kto_tag": "label"}},
}


def write_exchange(folder: Path, rows: Mapping[Kind, Sequence[Named]]) -> None:
    """Both kinds of files into a dataset's folder; nothing where there is no row."""
    table: dict[str, Any] = {}
    for kind, some in rows.items():
        if some:
            lines = (json.dumps(_line(named), ensure_ascii=False) + "\n" for named in some)
            with (folder / FILES[kind]).open("w", encoding="utf-8") as file:
                file.writelines(lines)
            table[f"nightschool_{kind}"] = {
                "file_name": FILES[kind], "formatting": "sharegpt", **_COLUMNS[kind], "tags": _TAGS,
            }  # fmt: skip
    if table:
        (folder / INFO).write_text(json.dumps(table, indent=2) + "\n", encoding="utf-8")


def _line(named: Named) -> dict[str, Any]:
    row = named.row
    if isinstance(row, Lesson):
        return {"messages": _plain(row.messages)}
    if isinstance(row, Pair):
        chosen, rejected = (_answer(text) for text in (row.chosen, row.rejected))
        return {
            "prompt": _plain(row.prompt),
            "chosen": [chosen],
            "rejected": [rejected],
            "chosen_message": chosen,
            "rejected_message": rejected,
        }
    assert isinstance(row, Rated), "questions have no answer to learn"
    prompt, answer = _plain(row.prompt), _answer(row.answer)
    return {"prompt": prompt, "completion": [answer], "label": row.is_good, "messages": [*prompt, answer]}


def _plain(messages: Sequence[ChatMessage]) -> list[dict[str, str]]:
    return [{"role": message["role"], "content": message["content"]} for message in messages]


def _answer(text: str) -> dict[str, str]:
    return {"role": "assistant", "content": text}
