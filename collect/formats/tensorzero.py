"""TensorZero's inferences, and the feedback on them: boolean, float, comment and demonstration.

An inference is one answer with what stood before it, in the conversation of its episode; answers are context until
somebody voted on them. A boolean metric is a vote, named by the metric; a comment stays one; a float, which has no
threshold in its file, comes in as a named score; a demonstration comes in as a ruling. Feedback looks for an inference
or an episode that was imported before. Variants, parameters and times of processing are lost.
"""

from typing import Any, Final

from collect.formats.answers import tensorzero_prompt
from collect.formats.talk import (
    Correction,
    ParsedNote,
    ParsedTree,
    Said,
    Unfit,
    Voice,
    chain,
    measure_of,
    person,
    said_text,
)
from collect.formats.turns import text_of, unpacked
from nightschool.records import Vote

ORIGIN: Final = "tensorzero"


def read_inference(line: int, row: dict[str, Any]) -> ParsedTree:
    name, prompt, output = said_text(row.get("id"), what="id"), tensorzero_prompt(row), unpacked(row["output"])
    blocks = [one for one in output if isinstance(one, dict)] if isinstance(output, list) else []
    answer = text_of(output if isinstance(output, str) else blocks)
    calls = [one for one in blocks if one.get("type") == "tool_call"]
    is_whole = bool(answer.strip())
    if not is_whole and calls:
        answer = " ".join(f"[{one.get('name')}] {one.get('arguments')}" for one in calls)
    if not answer.strip():
        raise Unfit("has no output")
    episode = row.get("episode_id")
    talk = str(episode) if episode else f"inference/{name}"
    before = chain([(turn.role, turn.content) for turn in prompt if turn.content.strip()], after=talk)
    if not before:
        raise Unfit("has no input")
    last = Said(name, before[-1].message_id, "assistant", said_text(answer, what="output"), is_whole=is_whole)
    question = next((turn.content for turn in reversed(prompt) if turn.role == "user"), "")
    return ParsedTree(line, ORIGIN, talk, (*before, last), title=question[:60])


def read_feedback(line: int, row: dict[str, Any]) -> ParsedNote:
    target = said_text(row.get("target_id", row.get("inference_id")), what="target_id")
    value, metric = row["value"], row.get("metric_name")
    voter = person(ORIGIN, metric)
    if isinstance(value, bool):
        vote = Vote.UP if value else Vote.DOWN
        return ParsedNote(
            line, ORIGIN, target, voice=Voice(voter, vote, reasons=(said_text(str(metric), what="metric_name"),))
        )
    if isinstance(value, int | float):
        return ParsedNote(line, ORIGIN, target, measure=measure_of(voter, metric, value))
    if "inference_id" in row:
        text = said_text(text_of(unpacked(value)), what="value")
        if not text.strip():
            raise Unfit("a demonstration without a text")
        return ParsedNote(line, ORIGIN, target, correction=Correction(ORIGIN, text))
    comment = said_text(value, what="value")
    return ParsedNote(line, ORIGIN, target, voice=Voice(person(ORIGIN, row.get("id")), Vote.NONE, comment=comment))
