"""Rows that prefer: OpenAI's and TRL's pairs, TRL's KTO, and LLaMA-Factory's spellings of both.

A pair is two answers to one prompt, the better one voted up and the worse one down, by whoever imports it; the better
one is to be learnt. A KTO row is an answer with a vote, and is learnt as other liked answers are.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from collect.formats.answers import alpaca_prompt
from collect.formats.talk import IMPORTER, ParsedTree, Said, Unfit, Voice, chain, path_id
from collect.formats.turns import Turn, as_turns, check_turns
from nightschool.records import Vote

ORIGIN: Final = "preferences"


def read_openai_preference(line: int, row: dict[str, Any]) -> ParsedTree:
    better = row.get("preferred_output", row.get("preferred_completion"))
    worse = row.get("non_preferred_output", row.get("non_preferred_completion"))
    given = row["input"]
    if not isinstance(given, dict):
        raise Unfit("input holds no messages")
    prompt = as_turns(given.get("messages"), "user", what="input.messages")
    return _pair(line, prompt, _answer(better, "preferred_output"), _answer(worse, "non_preferred_output"))


def read_preference(line: int, row: dict[str, Any]) -> ParsedTree:
    """TRL's, with the prompt or without, and LLaMA-Factory's in Alpaca's and ShareGPT's form."""
    better, worse = _answer(row["chosen"], "chosen"), _answer(row["rejected"], "rejected")
    if "prompt" in row:
        return _pair(line, as_turns(row["prompt"], "user", what="prompt"), better, worse)
    if "instruction" in row:
        return _pair(line, alpaca_prompt(row), better, worse)
    if "conversations" in row or "messages" in row:
        said = row.get("conversations", row.get("messages"))
        return _pair(line, [*_system(row), *as_turns(said, "user", what="conversations")], better, worse)
    shared = 0
    while shared < min(len(better), len(worse)) - 1 and better[shared][:2] == worse[shared][:2]:
        shared += 1
    return _pair(line, better[:shared], better[shared:], worse[shared:])


def read_kto(line: int, row: dict[str, Any]) -> ParsedTree:
    label = row.get("label", row.get("kto_tag"))
    if not isinstance(label, bool):
        raise Unfit("label is neither true nor false")
    if "completion" in row:
        turns = as_turns(row["prompt"], "user", what="prompt") + _answer(row["completion"], "completion")
    elif "instruction" in row:
        turns = alpaca_prompt(row) + _answer(row.get("output"), "output")
    else:
        said = row.get("conversations", row.get("messages"))
        turns = _system(row) + as_turns(said, "user", what="messages")
    _check(turns)
    said_ = _voted(chain([(t.role, t.content) for t in turns]), Vote.UP if label else Vote.DOWN)
    return _tree(line, said_)


def _pair(line: int, prompt: list[Turn], better: list[Turn], worse: list[Turn]) -> ParsedTree:
    _check([*prompt, *better])
    _check([*prompt, *worse])
    before = chain([(t.role, t.content) for t in prompt])
    if not before:
        raise Unfit("has no prompt")
    end = before[-1].message_id
    ours = _voted(chain([(t.role, t.content) for t in better], after=end), Vote.UP, weight=1)
    others = _voted(chain([(t.role, t.content) for t in worse], after=end), Vote.DOWN)
    if ours[-1].message_id == others[-1].message_id:
        raise Unfit("both answers are the same, so there is nothing to prefer")
    # What both begin with is there once.
    known = {said.message_id for said in ours}
    return _tree(line, [*before, *ours, *(said for said in others if said.message_id not in known)])


def _voted(said: list[Said], vote: Vote, *, weight: int = 0) -> list[Said]:
    return [*said[:-1], replace(said[-1], weight=weight, voices=(Voice(IMPORTER, vote),))]


def _tree(line: int, said: Sequence[Said]) -> ParsedTree:
    name = path_id(None, "row", "/".join(f"{one.message_id}={one.weight}" for one in said))
    # Ids of messages are of the row too: the same prompt in another row is another conversation.
    mine = {one.message_id: f"{name}/{one.message_id}" for one in said}
    placed = [replace(one, message_id=mine[one.message_id], parent_id=mine.get(one.parent_id or "")) for one in said]
    return ParsedTree(line, ORIGIN, name, tuple(placed))


def _answer(value: Any, what: str) -> list[Turn]:
    if not value:
        raise Unfit(f"{what} is missing")
    return as_turns(value, "assistant", what=what)


def _system(row: dict[str, Any]) -> list[Turn]:
    return as_turns(row["system"], "system", what="system") if row.get("system") else []


def _check(turns: list[Turn]) -> None:
    check_turns(turns)
    if not turns or turns[-1].role != "assistant" or not any(turn.role == "user" for turn in turns):
        raise Unfit("is no question with an answer")
