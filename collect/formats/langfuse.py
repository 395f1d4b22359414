"""Langfuse's traces, alone, in lists, or as downloaded with their observations, and its scores.

A trace is one question and one answer, with what stood before it. A score is a vote where a person gave it and it says
yes or no; any other one, and what a model graded (source EVAL), comes in as a named score, without its comment. What is
lost are observations, cost and metadata. A correction comes in as a ruling. Answers are context until somebody voted on
them.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any, Final

from collect.formats.talk import (
    Correction,
    Measure,
    ParsedNote,
    ParsedTree,
    Said,
    Unfit,
    Voice,
    chain,
    measure_of,
    moment,
    person,
    said_text,
)
from collect.formats.turns import CALLS, Turn, text_of, turns_of, unpacked
from nightschool.records import Vote

ORIGIN: Final = "langfuse"
INNER: Final = ("messages", "message", "contents", "candidates", "prompt", "input", "question", "query")
OUTER: Final = ("message", "candidates", "messages", "content", "output", "response", "answer", "text", "choices")
GOOD: Final = frozenset({"true", "up", "thumbs-up", "thumbs_up", "positive", "good", "like", "yes", "correct"})
BAD: Final = frozenset({"false", "down", "thumbs-down", "thumbs_down", "negative", "bad", "dislike", "no", "incorrect"})
OPINIONS: Final = ("feedback", "thumb", "vote", "like", "rating")
"""In the name of a number that an application sent: that it is a person's opinion."""


def read_trace(line: int, row: dict[str, Any]) -> ParsedTree:
    trace = row.get("trace", row)
    if not isinstance(trace, dict):
        raise Unfit("trace is no object")
    name = said_text(trace.get("id"), what="id")
    asked = _asked(unpacked(trace.get("input")))
    answer, is_whole = _answered(unpacked(trace.get("output")))
    if not asked or not answer:
        raise Unfit(f"has no {'answer' if asked else 'question'} in its {'output' if asked else 'input'}")
    before = chain([(turn.role, turn.content) for turn in asked])
    said_at = moment(trace.get("timestamp"))
    scores, corrections = _rows(trace.get("scores")), _rows(trace.get("corrections"))
    rulings = [ruling for one in [*corrections, *scores] if (ruling := _correction(one)) is not None]
    last = Said(
        name,
        f"{name}/{before[-1].message_id}",
        "assistant",
        said_text(answer, what="output"),
        said_at=said_at,
        is_whole=is_whole,
        voices=tuple(voice for one in scores if (voice := _voice(one)) is not None),
        measures=tuple(_measures(scores)),
        correction=rulings[-1] if rulings else None,
    )
    # Ids of what led to it are the trace's too: a prompt that two traces share is said twice.
    context = [
        Said(f"{name}/{one.message_id}", f"{name}/{one.parent_id}" if one.parent_id else None, one.role, one.content,
             said_at=said_at)
        for one in before
    ]  # fmt: skip
    user = trace.get("userId")
    return ParsedTree(
        line, ORIGIN, f"trace/{name}", (*context, last),
        owner=person(ORIGIN, user) if user else "import", title=asked[-1].content[:60], begun_at=said_at,
    )  # fmt: skip


def read_score(line: int, row: dict[str, Any]) -> ParsedNote:
    target = said_text(row.get("traceId", row.get("trace_id")), what="traceId")
    correction = _correction(row)
    voice = None if correction else _voice(row)
    measure = None if correction or voice else _measure(row)
    return ParsedNote(line, ORIGIN, target, voice=voice, measure=measure, correction=correction)


def _rows(value: Any) -> list[dict[str, Any]]:
    value = unpacked(value)
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _correction(score: Mapping[str, Any]) -> Correction | None:
    text = score.get("longStringValue") or score.get("stringValue")
    if score.get("dataType") != "CORRECTION" or not isinstance(text, str) or not text.strip():
        return None
    reviewer = person(ORIGIN, score.get("authorUserId") or "annotator")
    return Correction(reviewer, said_text(text, what="correction"), corrected_at=moment(score.get("timestamp")))


def _voice(score: Mapping[str, Any]) -> Voice | None:
    vote = _vote(score)
    if vote is None:
        return None
    name = str(score.get("name") or "score")
    return Voice(
        person(ORIGIN, score.get("authorUserId") or name),
        vote,
        reasons=(said_text(name, what="name"),),
        comment=said_text(score.get("comment") or "", what="comment"),
        voted_at=moment(score.get("timestamp")),
    )


def _measures(scores: Iterable[Mapping[str, Any]]) -> Iterator[Measure]:
    """Those that are no votes; what is no score either costs the trace nothing."""
    for score in scores:
        if _voice(score) is None:
            with suppress(Unfit):
                yield _measure(score)


def _measure(score: Mapping[str, Any]) -> Measure:
    """Raises Unfit where it is no named score."""
    kind, value, word = score.get("dataType"), score.get("value"), score.get("stringValue")
    if kind == "CORRECTION":
        raise Unfit("is a correction without a text")
    if kind == "BOOLEAN" and value in (0, 1):
        value = bool(value)
    elif isinstance(word, str) and word and kind != "NUMERIC":
        value = word
    name = score.get("name") or "score"
    voter = person(ORIGIN, score.get("authorUserId") or name)
    return measure_of(voter, name, value, said_at=moment(score.get("timestamp")))


def _vote(score: Mapping[str, Any]) -> Vote | None:
    source, kind, value = score.get("source"), score.get("dataType"), score.get("value")
    if source == "EVAL" or kind == "CORRECTION":
        return None
    word = str(score.get("stringValue") or value or "").strip().casefold()
    if word in GOOD | BAD:
        return Vote.UP if word in GOOD else Vote.DOWN
    is_opinion = kind == "BOOLEAN" or any(part in str(score.get("name")).casefold() for part in OPINIONS)
    if not is_opinion or not isinstance(value, int | float) or value not in {0, 1, -1}:
        return None
    return Vote.UP if value == 1 else Vote.DOWN


def _asked(value: Any) -> list[Turn]:
    """What led to the answer, as turns; none where nothing is found."""
    if isinstance(value, str):
        return [Turn("user", said_text(value, what="input"))] if value.strip() else []
    if isinstance(value, list):
        if value and all(isinstance(one, dict) and ("role" in one or "from" in one) for one in value):
            turns = [turn for turn in turns_of(value, what="input") if turn.content.strip()]
            return turns if any(turn.role == "user" for turn in turns) else []
        return _asked(text_of(value))
    if not isinstance(value, dict):
        return []
    inner = next((value[key] for key in INNER if value.get(key)), None)
    found = _asked(unpacked(inner)) if inner is not None else _asked(text_of(value))
    system = value.get("system")
    if found and isinstance(system, str) and system.strip() and found[0].role != "system":
        return [Turn("system", said_text(system, what="system")), *found]
    return found


def _answered(value: Any) -> tuple[str, bool]:
    """The answer, and whether it is words for a person and not a call of a tool."""
    if isinstance(value, str):
        return value.strip(), True
    if isinstance(value, list) and value:
        said = [one for one in value if isinstance(one, dict) and one.get("role") in {"assistant", "model"}]
        for one in reversed(said or value):
            text, is_whole = _answered(one)
            if text:
                return text, is_whole
        return "", True
    if not isinstance(value, dict):
        return "", True
    called = value.get("toolName") or (value.get("name") if value.get("type") in {"tool_use", "tool_call"} else None)
    if called or any(value.get(key) for key in CALLS):
        return f"[{called or 'tool'}] {json.dumps(value, ensure_ascii=False)[:1000]}", False
    for key in OUTER:
        if value.get(key):
            return _answered(unpacked(value[key]))
    return text_of(value).strip(), True
