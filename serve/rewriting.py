"""What people wrote in what is about to be kept: each text in its place, and the same thing with other texts there.

Each function gives back what it was given, every text of a person replaced by what `say` makes of it, in the order in
which they are read; ids, votes, times, and what the bot's own files say stay. Pure.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from collect.conversations import Told
from collect.feedback import Opinion
from collect.formats.own import Kept, KeptMessage, KeptScore
from collect.formats.read import ParsedConversation
from collect.formats.table import Parsed
from collect.formats.talk import Correction, Measure, ParsedNote, ParsedTree, Said, Voice
from collect.grounds import hash_prompt
from nightschool.pii.patterns import find_shaped
from nightschool.records import ChatMessage, Message
from nightschool.scores import MAX_NAME_CHARS, ScoreValue
from serve.questions import title_of

Say = Callable[[str], str]
NAMES: Final = frozenset({"id", "type", "role", "name", "tool_call_id", "then"})
"""Keys whose values nobody wrote: of a call, and of what a guard held back."""


def rewrite_turn(told: Told, say: Say) -> Told:
    """The turn, and the title that its conversation has where it begins with it."""
    system = say(told.grounds.system_prompt) if told.grounds.system_prompt else ""
    messages = [_message(message, say) for message in told.messages]
    if system:
        messages[-1] = replace(messages[-1], system_hash=hash_prompt(system))
    asked = [message.content for message in messages if message.role == "user"]
    title = title_of(asked[-1]) if asked else say(told.conversation.title)
    return replace(
        told,
        conversation=replace(told.conversation, title=title),
        messages=messages,
        grounds=replace(told.grounds, system_prompt=system),
    )


def rewrite_opinion(opinion: Opinion, say: Say) -> Opinion:
    return Opinion(
        opinion.vote,
        None if opinion.reasons is None else tuple(say(reason) for reason in opinion.reasons),
        None if opinion.comment is None else say(opinion.comment),
        None if opinion.ideal_answer is None else say(opinion.ideal_answer),
        {_name(name, say): _score(value, say) for name, value in opinion.scores.items()} if opinion.scores else None,
    )


def rewrite_imported(parsed: Parsed, say: Say) -> Parsed:
    match parsed:
        case ParsedConversation():
            messages = [ChatMessage(**{**message, "content": say(message["content"])}) for message in parsed.messages]
            return replace(
                parsed,
                messages=tuple(messages),
                kept=_kept(parsed, parsed.kept, say) if parsed.kept else None,
                original_json=rewrite_json(parsed.original_json, say) if parsed.original_json else None,
            )
        case ParsedTree():
            said = tuple(_said(message, say) for message in parsed.messages)
            return replace(parsed, messages=said, title=say(parsed.title))
        case ParsedNote():
            voice = _voice(parsed.voice, say) if parsed.voice else None
            measure = _measure(parsed.measure, say) if parsed.measure else None
            return replace(parsed, voice=voice, measure=measure, correction=_correction(parsed.correction, say))


def rewrite_json(text: str, say: Say) -> str:
    """Its texts, but for names and keys."""
    return json.dumps(_walk(json.loads(text), say), ensure_ascii=False) if text else ""


def _walk(value: Any, say: Say, key: str = "") -> Any:
    if isinstance(value, str):
        return value if key in NAMES else say(value)
    if isinstance(value, Mapping):
        return {name: _walk(inner, say, name) for name, inner in value.items()}
    if isinstance(value, Sequence):
        return [_walk(inner, say, key) for inner in value]
    return value


def _message(message: Message, say: Say) -> Message:
    return replace(
        message,
        content=say(message.content),
        tools_json=rewrite_json(message.tools_json, say),
        held_json=rewrite_json(message.held_json, say),
    )


def _kept(parsed: ParsedConversation, kept: Kept, say: Say) -> Kept:
    messages = tuple(_kept_message(message, say) for message in kept.messages)
    asked = next((message["content"] for message in parsed.messages if message["role"] == "user"), "")
    # The beginning of a question may end within a name.
    title = title_of(say(asked)) if kept.title == title_of(asked) else say(kept.title)
    scores = tuple(_kept_score(score, say) for score in kept.scores)
    return kept.model_copy(update={"title": title, "messages": messages, "scores": scores})


def _kept_message(message: KeptMessage, say: Say) -> KeptMessage:
    votes = tuple(
        vote.model_copy(
            update={
                "reasons": tuple(say(reason) for reason in vote.reasons),
                "comment": say(vote.comment),
                "ideal_answer": say(vote.ideal_answer),
            }
        )
        for vote in message.votes
    )
    review = message.review
    ruled = review.model_copy(update={"corrected_answer": say(review.corrected_answer)}) if review else None
    scores = tuple(_kept_score(score, say) for score in message.scores)
    return message.model_copy(update={"votes": votes, "review": ruled, "scores": scores})


def _kept_score(score: KeptScore, say: Say) -> KeptScore:
    return score.model_copy(update={"name": _name(score.name, say), "value": _score(score.value, say)})


def _said(said: Said, say: Say) -> Said:
    voices = tuple(_voice(voice, say) for voice in said.voices)
    measures = tuple(_measure(measure, say) for measure in said.measures)
    return replace(
        said,
        content=say(said.content),
        voices=voices,
        measures=measures,
        correction=_correction(said.correction, say),
    )


def _voice(voice: Voice, say: Say) -> Voice:
    return replace(voice, reasons=tuple(say(reason) for reason in voice.reasons), comment=say(voice.comment))


def _score(value: ScoreValue | None, say: Say) -> ScoreValue | None:
    return say(value) if isinstance(value, str) else value


def _name(name: str, say: Say) -> str:
    """Of a score: a measure such as Helpfulness must not be taken for somebody's name, so only contact data counts."""
    return say(name)[:MAX_NAME_CHARS] if any(find_shaped(name)) else name


def _measure(measure: Measure, say: Say) -> Measure:
    named = _name(measure.name, say)
    # A programme that names nobody is known by the score's name.
    voter = measure.voter.replace(measure.name, named)
    value = say(measure.value) if isinstance(measure.value, str) else measure.value
    return replace(measure, voter=voter, name=named, value=value)


def _correction(correction: Correction | None, say: Say) -> Correction | None:
    return replace(correction, text=say(correction.text)) if correction else None
