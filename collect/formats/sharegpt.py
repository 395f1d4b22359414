"""ShareGPT's rows, as FastChat and LLaMA-Factory write them: `conversations` of `from` and `value`, and a `system`."""

from typing import Any

from collect.formats.answers import conversation_of
from collect.formats.read import ParsedConversation
from collect.formats.turns import as_turns, told, turns_of, uses_tools


def read_sharegpt(line: int, row: dict[str, Any]) -> ParsedConversation:
    said = row["conversations"]
    system = as_turns(row["system"], "system", what="system") if row.get("system") else []
    turns = told(said) if uses_tools(said) else turns_of(said, what="conversations")
    return conversation_of(line, [*system, *turns])
