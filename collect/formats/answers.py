"""Rows of one question and one answer: prompt and completion, Alpaca, questions and answers, TensorZero's datapoints.

What a row holds is to be learnt. Does not know where rows come from: a table's line and a FAQ's section are rows too.
"""

from typing import Any

from collect.formats.read import MAX_TOPIC_CHARS, ParsedConversation
from collect.formats.talk import Unfit, said_text
from collect.formats.turns import Turn, as_turns, check_turns, text_of, turns_of, unpacked
from nightschool.records import ChatMessage


def conversation_of(line: int, turns: list[Turn], *, topic: str | None = None) -> ParsedConversation:
    """A conversation to learn from. Raises Unfit."""
    check_turns(turns)
    spoken = turns[1:] if turns and turns[0].role == "system" else turns
    if not spoken or [t.role for t in spoken] != ["user", "assistant"] * (len(spoken) // 2):
        raise Unfit("roles must alternate user, assistant, and end with the assistant")
    messages = tuple(ChatMessage(role=t.role, content=t.content, weight=t.weight) for t in turns)
    return ParsedConversation(line, messages, topic=topic)


def read_completion(line: int, row: dict[str, Any]) -> ParsedConversation:
    prompt = as_turns(row["prompt"], "user", what="prompt")
    return conversation_of(line, [*prompt, *as_turns(row["completion"], "assistant", what="completion")])


def read_alpaca(line: int, row: dict[str, Any]) -> ParsedConversation:
    """LLaMA-Factory adds `system` and `history`, a list of pairs."""
    return conversation_of(line, [*alpaca_prompt(row), *as_turns(row["output"], "assistant", what="output")])


def alpaca_prompt(row: dict[str, Any]) -> list[Turn]:
    turns = as_turns(row["system"], "system", what="system") if row.get("system") else []
    history = row.get("history") or []
    if not isinstance(history, list) or not all(isinstance(pair, list) and len(pair) == 2 for pair in history):
        raise Unfit("history is no list of pairs")
    for asked, answered in history:
        turns += as_turns(asked, "user", what="history") + as_turns(answered, "assistant", what="history")
    parts = [row["instruction"], row.get("input") or ""]
    if not all(isinstance(part, str) for part in parts):
        raise Unfit("instruction or input is no text")
    return [*turns, *as_turns("\n\n".join(filter(str.strip, parts)), "user", what="instruction")]


def read_question(line: int, row: dict[str, Any]) -> ParsedConversation:
    turns = as_turns(row["question"], "user", what="question") + as_turns(row["answer"], "assistant", what="answer")
    named = row.get("topic") or row.get("category")
    topic = said_text(named, what="topic").strip()[:MAX_TOPIC_CHARS] if isinstance(named, str) else ""
    return conversation_of(line, turns, topic=topic or None)


def read_datapoint(line: int, row: dict[str, Any]) -> ParsedConversation:
    output = text_of(unpacked(row.get("output")))
    if row.get("is_deleted"):
        raise Unfit("was deleted")
    if not output.strip():
        raise Unfit("has no output, so there is nothing to learn")
    return conversation_of(line, [*tensorzero_prompt(row), *as_turns(output, "assistant", what="output")])


def tensorzero_prompt(row: dict[str, Any]) -> list[Turn]:
    given = unpacked(row["input"])
    if not isinstance(given, dict):
        raise Unfit("input holds no messages")
    system = text_of(given.get("system"))
    before = as_turns(system, "system", what="system") if system.strip() else []
    return [*before, *turns_of(given.get("messages"), what="input.messages")]
