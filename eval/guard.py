"""Nothing invented reaches a person: the facts of an answer are checked before they are shown.

In: an answer's pieces as the engine writes them. Out: the same, but for sentences whose fact stands in no passage, no
question and no system prompt. Words in which no fact can begin pass at once; from the first one on in which one can, a
sentence waits for its end. What is held back is replaced by a second try from the passage that fits best, else by that
passage itself with its source, else by the bot's word that a person knows; then the answer ends, since whatever would
follow would follow from what was not said. An answer that leaves out what near passages state, as those of small models
often do, gets them quoted below. Calls of tools are a program's to read: they are not checked, come behind the
words, and not at all where words were held back. Does not know engines nor who reads.
"""

import asyncio
import json
import re
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from operator import itemgetter
from typing import Final, Literal, NamedTuple

from eval.facts import Fact, find_facts, unsupported
from eval.quoting import quote
from eval.sentences import end_of_sentence
from nightschool.engine import Delta
from nightschool.knowledge import Found, Passage
from nightschool.knowledge_part import KnowledgePart
from nightschool.language import load_identifier
from nightschool.records import Finish
from nightschool.text import UNSPACED
from nightschool.tools import CallPiece

MAY_BEGIN: Final = re.compile(
    r"[\d@€$£¥₹%]|https?|www|\b(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|thir\w*|four\w*|fif\w*|"
    r"six\w*|seven\w*|eigh\w*|nine\w*|twen\w*|forty|fifty|hundred|thousand|half|ein\w*|zwei|drei|vier|fünf|sechs|sieben|"
    r"acht|neun|zehn|elf|zwölf|\w+zehn|\w+[zß]ig|hundert|tausend|noon|midnight|"
    r"deux|trois|quatre|cinq|sept|huit|neuf|dix|onze|douze|quinze|vingt|trente|quarante|cinquante|soixante|cent|mille|"
    r"dos|tres|cuatro|cinco|seis|siete|ocho|nueve|diez|once|doce|quince|veinte|treinta|cuarenta|cincuenta|cien)\b",
    re.I,
)
LAST_WORD: Final = re.compile(rf"[^\s{UNSPACED}]*$")
BROKEN_OFF: Final = "…\n\n"
"""Behind the words of a sentence whose rest is not said."""
LONGEST_CHARS: Final = 600
"""Nobody waits longer for a full stop: so much is taken for a sentence."""


@dataclass(frozen=True, slots=True)
class Held:
    """A sentence that was not said, or in the mode `mark` said all the same."""

    said: str
    facts: tuple[str, ...]
    """Those that stand nowhere."""
    then: Literal["marked", "second try", "passage", "hand-over"]


class Second(NamedTuple):
    """A whole second answer."""

    text: str
    prompt_tokens: int = 0
    completion_tokens: int = 0
    finish: Finish | None = Finish.STOP


Retry = Callable[[Passage], Awaitable[Second]]
"""Asks once more, with one passage alone."""


@dataclass(slots=True)
class Guard:
    """Of one answer."""

    rules: KnowledgePart
    """The bot's; its guard is on."""
    grounds: Sequence[str]
    """Texts in which a fact may stand."""
    found: Found
    """What its prompt stands on."""
    retry: Retry
    is_form: bool = False
    """Whether a program reads the answer: nothing may be put into it or behind it."""
    held: list[Held] = field(default_factory=list)
    _known: tuple[Fact, ...] | None = None

    async def watch(self, deltas: AsyncGenerator[Delta, None]) -> AsyncGenerator[Delta, None]:
        """The answer as people get it; the last piece carries `finish` and counts."""
        if self.is_form:
            async for piece in self._watch_form(deltas):
                yield piece
            return
        waiting, said, is_waiting, is_begun = "", "", False, False
        calls: list[CallPiece] = []
        async for delta in deltas:
            waiting += delta.text
            calls += delta.calls
            is_last = delta.finish is not None
            while (end := self._end(waiting, is_last=is_last)) is not None:
                sentence, waiting = waiting[:end], waiting[end:]
                if is_waiting or self._may_begin(sentence):
                    strange = self._strange(sentence)
                    if strange and self.rules.guard == "hold":
                        await deltas.aclose()
                        second = await self._instead(sentence, strange)
                        yield Delta(f"{BROKEN_OFF if is_begun else ''}{second.text}")
                        yield Delta("", Finish.STOP, second.prompt_tokens, second.completion_tokens)
                        return
                    if strange:
                        self.held.append(Held(sentence.strip(), _names(strange), "marked"))
                if sentence:
                    said += sentence
                    yield Delta(sentence)
                is_waiting = is_begun = False
            is_waiting = is_waiting or self._may_begin(waiting)
            if not is_waiting:
                whole = len(waiting) - len(_last_word(waiting))
                if whole:
                    said += waiting[:whole]
                    yield Delta(waiting[:whole])
                    waiting, is_begun = waiting[whole:], True
            if is_last:
                for passage in self._left_out(said) if delta.finish is Finish.STOP else ():
                    yield Delta(f"\n\n{await self._quote(passage)}")
                yield Delta("", delta.finish, delta.prompt_tokens, delta.completion_tokens, calls=tuple(calls))

    async def _watch_form(self, deltas: AsyncGenerator[Delta, None]) -> AsyncGenerator[Delta, None]:
        """The answer whole once it is checked; a second one in the same form; else the bot's word as a refusal."""
        text, last = "", Delta("")
        calls: list[CallPiece] = []
        async for last in deltas:
            text += last.text
            calls += last.calls
        strange = self._strange(values_in(text))
        if not strange or self.rules.guard == "mark":
            if strange:
                self.held.append(Held(text, _names(strange), "marked"))
            yield Delta(text, calls=tuple(calls))
            yield Delta("", last.finish, last.prompt_tokens, last.completion_tokens)
            return
        second = await self.retry(self.found.passages[0]) if self.found.passages else Second("")
        is_sound = bool(second.text.strip()) and not self._strange(values_in(second.text))
        self.held.append(Held(text, _names(strange), "second try" if is_sound else "hand-over"))
        yield Delta(second.text) if is_sound else Delta(self.rules.hand_over, is_refusal=True)
        finish = second.finish if is_sound else Finish.STOP
        yield Delta("", finish, second.prompt_tokens, second.completion_tokens)

    def _end(self, waiting: str, *, is_last: bool) -> int | None:
        end = end_of_sentence(waiting)
        if end is None and waiting and (is_last or len(waiting) >= LONGEST_CHARS):
            return len(waiting)
        return end

    def _may_begin(self, text: str) -> bool:
        folded = text.casefold()
        return bool(MAY_BEGIN.search(text)) or any(name.casefold() in folded for name in self.rules.glossary)

    def _strange(self, text: str) -> list[Fact]:
        if self._known is None:
            self._known = tuple(
                fact for ground in self.grounds for fact in find_facts(ground, glossary=self.rules.glossary)
            )
        return unsupported(find_facts(text, glossary=self.rules.glossary), self._known)

    def _left_out(self, said: str) -> Iterator[Passage]:
        """Those of the nearest passages with facts of which half or more are not said, by the answer or one before."""
        if self.rules.guard != "hold":
            return
        found = zip(self.found.passages, self.found.scores, strict=True)
        near = ((passage, find_facts(passage.text)) for passage, score in found if score >= self.rules.quote_score)
        for passage, there in islice(filter(itemgetter(1), near), self.rules.quotes):
            if 2 * len(unsupported(there, find_facts(said))) >= len(there):
                said = f"{said}\n{passage.text}"
                yield passage

    async def _instead(self, sentence: str, strange: Sequence[Fact]) -> Second:
        then: Literal["second try", "passage", "hand-over"] = "hand-over"
        second = Second(self.rules.hand_over)
        if self.found.passages:
            best = self.found.passages[0]
            then, second = "second try", await self.retry(best)
            if not second.text.strip() or self._strange(second.text):
                then, second = "passage", second._replace(text=await self._quote(best))
        self.held.append(Held(sentence.strip(), _names(strange), then))
        return second

    async def _quote(self, passage: Passage) -> str:
        # Beside the loop: what tells languages apart is read by the first one.
        return await asyncio.to_thread(lambda: quote(passage, beside=self.rules.hand_over, identify=load_identifier()))


def values_in(text: str) -> str:
    """What JSON says, line by line, as facts are written: `{"days": 30}` says "30 days". Other text as it stands."""
    try:
        said = json.loads(text)
    except (ValueError, RecursionError):
        return text
    lines: list[str] = []
    left: list[tuple[str, object]] = [("", said)]
    while left:
        name, value = left.pop()
        match value:
            case dict():
                left.extend(reversed(value.items()))
            case list():
                left.extend((name, one) for one in reversed(value))
            case str():
                lines.append(value)
            case int() | float() if not isinstance(value, bool):
                lines.append(f"{value} {name.split('_')[-1]}")
    return "\n".join(lines)


def _names(facts: Sequence[Fact]) -> tuple[str, ...]:
    return tuple(f"{fact.kind} {fact.said}" for fact in facts)


def _last_word(text: str) -> str:
    """Words are handed out once they are whole, since `fif` may become fifteen; those of scripts without blanks at
    once."""
    return LAST_WORD.search(text).group()  # type: ignore[union-attr]  # it may be empty, and so is always there
