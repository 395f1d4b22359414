"""Turn a prompt and its answers into token ids, for methods that weigh answers (pairs, votes): as SFT reads them.

Prompt and answer together are token for token the row that `tune.encode` would make of the same chat: the same
template, the same end of turn, the same breaking up of control tokens. What is too long loses passages and its oldest
turns, for all its answers alike; an answer itself is never cut, since it would teach to stop in mid-sentence, so a row
whose last question and longest answer do not fit is left out. Two answers that are the same tokens (a template may trim
what told them apart) say nothing about which is better and are left out too. All of it is counted. Does not know torch.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from nightschool.prompt import Neutraliser
from nightschool.records import ChatMessage
from tune.encode import ChatTokenizer, encode_chat, render_chat, shortened, token_ids


@dataclass(frozen=True, slots=True)
class Prompted:
    """A prompt and the answers to it, in the order that was given."""

    item_id: str
    prompt_ids: tuple[int, ...]
    answers: tuple[tuple[int, ...], ...]
    """Each up to and with the token at which the engine stops."""
    lost_passages: int
    lost_turns: int

    @property
    def has_equal_answers(self) -> bool:
        return len(set(self.answers)) < len(self.answers)

    @property
    def tokens(self) -> int:
        """Of the prompt and all answers."""
        return len(self.prompt_ids) + sum(map(len, self.answers))


@dataclass(frozen=True, slots=True)
class PromptedReport:
    """What became of the rows; nothing is left out without being counted here."""

    rows: int
    """Rows that are trained on."""
    tokens: int
    answer_tokens: int
    truncated_rows: int
    """Rows that lost passages or their oldest turns."""
    lost_passages: int
    lost_turns: int
    too_long_rows: int
    """Rows left out: their last question and longest answer alone exceed the limit."""
    equal_rows: int
    """Rows left out: their answers are the same tokens."""
    neutralised_rows: int
    """Rows in whose texts control tokens of the chat template were broken up."""


class PromptedRows(NamedTuple):
    rows: tuple[Prompted, ...]
    report: PromptedReport


def encode_answers(
    rows: Iterable[tuple[str, Sequence[ChatMessage], Sequence[str]]],
    tokenizer: ChatTokenizer,
    *,
    ends: Collection[str],
    max_tokens: int,
    neutraliser: Neutraliser,
) -> PromptedRows:
    """Every (item id, prompt, answers) of `rows`; `ends` are the tokens at which the engine stops. Raises InvalidInput
    where the template cannot render a chat, or teaches no end of a turn."""
    kept: list[Prompted] = []
    too_long = equal = neutralised = 0
    for item_id, prompt, answers in rows:
        neutral, spoken = neutraliser.chat(prompt), [neutraliser.text(answer) for answer in answers]
        neutralised += neutral != list(prompt) or spoken != list(answers)
        row = encode_prompt_and_answers(item_id, neutral, spoken, tokenizer, ends=ends, max_tokens=max_tokens)
        if row is None:
            too_long += 1
        elif row.has_equal_answers:
            equal += 1
        else:
            kept.append(row)
    report = PromptedReport(
        rows=len(kept),
        tokens=sum(row.tokens for row in kept),
        answer_tokens=sum(len(answer) for row in kept for answer in row.answers),
        truncated_rows=sum(row.lost_passages + row.lost_turns > 0 for row in kept),
        lost_passages=sum(row.lost_passages for row in kept),
        lost_turns=sum(row.lost_turns for row in kept),
        too_long_rows=too_long,
        equal_rows=equal,
        neutralised_rows=neutralised,
    )
    return PromptedRows(tuple(kept), report)


def encode_prompt_and_answers(
    item_id: str,
    prompt: Sequence[ChatMessage],
    answers: Sequence[str],
    tokenizer: ChatTokenizer,
    *,
    ends: Collection[str],
    max_tokens: int,
) -> Prompted | None:
    """The prompt with each of the answers in at most `max_tokens`, less as many passages and oldest turns as that
    takes.

    None where the last question and the longest answer are too long. Expects neutral texts. Raises InvalidInput.
    """
    context = [ChatMessage(role=m["role"], content=m["content"], weight=0) for m in prompt]
    ended = [ChatMessage(role="assistant", content=answer) for answer in answers]
    passages = turns = 0
    while True:
        rows = [encode_chat(item_id, [*context, answer], tokenizer, ends=ends) for answer in ended]
        if max(len(row.input_ids) for row in rows) <= max_tokens:
            break
        shorter = shortened([*context, ended[0]])
        if shorter is None:
            return None
        is_turn_less = len(shorter) <= len(context)
        turns, passages = turns + is_turn_less, passages + (not is_turn_less)
        context = shorter[:-1]
    start = rows[0].first_label
    return Prompted(item_id, rows[0].input_ids[:start], tuple(row.input_ids[start:] for row in rows), passages, turns)


def encode_prompt(
    item_id: str, prompt: Sequence[ChatMessage], tokenizer: ChatTokenizer, *, max_tokens: int
) -> tuple[int, ...] | None:
    """The prompt as an answer is drawn after it, in at most `max_tokens`, less as many passages and oldest turns as
    that takes; None where the last question alone is too long. Expects neutral texts. Raises InvalidInput."""
    chat = list(prompt)
    while True:
        ids = token_ids(render_chat(item_id, chat, tokenizer, is_prompt=True), tokenizer)
        if len(ids) <= max_tokens:
            return tuple(ids)
        shorter = shortened([*chat, ChatMessage(role="assistant", content="")])
        if shorter is None:
            return None
        chat = shorter[:-1]
