"""Whether an answer that a machine made may be learnt: what an exam would refuse in any answer is refused here at once.

What is allowed is learnt from the rows that people wrote or let in: how long answers are, and whose contacts they name.
What the person who asked said is no permission: their own number in an answer would teach to say it. Pure. Does not
know who made the answer, nor how good it is.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from statistics import median
from typing import Final, Self

from nightschool import contacts
from nightschool.language import Identify, is_foreign
from nightschool.prompt import Neutraliser
from nightschool.records import ChatMessage
from nightschool.text import gist
from nightschool.wording import plain, repetition, sentences, words

LONG: Final = 3.0
"""Times the length of what people write, in the middle."""
LONG_WORDS: Final = 40
"""Never too long."""
SHORT: Final = 0.2
LEAST_WORDS: Final = 2
MOST_REPETITION: Final = 0.15
REPEATED_SENTENCE_WORDS: Final = 4
RECITED_WORDS: Final = 8
"""So many in a row of the system prompt are a recital."""
_FINDERS: Final[tuple[Callable[[str], set[str]], ...]] = (
    contacts.find_emails,
    contacts.find_phones,
    contacts.find_accounts,
    contacts.find_streets,
    contacts.find_hosts,
)


class Unsound(StrEnum):
    """What is wrong with an answer."""

    EMPTY = "empty"
    CUT = "cut off"
    MARKUP = "holds control tokens"
    SHORT = "too short"
    LONG = "too long"
    REPEATS = "repeats itself"
    RECITES = "recites the system prompt"
    CONTACT = "names a contact that nobody gave"
    FOREIGN = "in another language"
    SAME = "says what was not good before"


class House:
    """What the answers of one bot are like."""

    def __init__(self, answers: Sequence[str], *, system_prompt: str) -> None:
        """`answers`: what people wrote or let in."""
        self._answers = answers
        middle = median(len(words(answer)) for answer in answers) if answers else 0.0
        self.most_words = max(LONG * middle, LONG_WORDS)
        self.least_words = max(LEAST_WORDS, SHORT * middle)
        self.system_prompt = plain(system_prompt)
        self.recitals = frozenset(_runs(system_prompt))
        # All answers are looked through, but only once an answer names something.
        self._known = cache(self._find_known)

    @classmethod
    def of(cls, chats: Iterable[Sequence[ChatMessage]]) -> Self:
        """Learnt from rows to imitate."""
        answers: list[str] = []
        prompts: Counter[str] = Counter()
        for chat in chats:
            answers += [m["content"] for m in chat if m["role"] == "assistant" and m.get("weight", 1) != 0]
            prompts.update(m["content"] for m in chat if m["role"] == "system")
        return cls(answers, system_prompt=prompts.most_common(1)[0][0] if prompts else "")

    def invents_contact(self, answer: str) -> bool:
        return any(found - self._known(number) for number, find in enumerate(_FINDERS) if (found := find(answer)))

    def _find_known(self, number: int) -> frozenset[str]:
        find = _FINDERS[number]
        return frozenset(thing for text in (self.system_prompt, *self._answers) for thing in find(plain(text)))


@dataclass(frozen=True, slots=True)
class Inspector:
    """Looks at answers to one bot's questions."""

    house: House
    neutraliser: Neutraliser
    identify: Identify

    def find_unsound(
        self, answer: str, prompt: Sequence[ChatMessage], *, is_whole: bool, before: str
    ) -> Unsound | None:
        """What is wrong with `answer`, the first thing that is found; None where nothing is.

        `before` is the answer that people got and did not like; empty where there is none.
        """
        checks = self._checks(answer, prompt, is_whole=is_whole, before=before)
        return next((fault for fault, has_it in checks if has_it()), None)

    def _checks(
        self, answer: str, prompt: Sequence[ChatMessage], *, is_whole: bool, before: str
    ) -> Sequence[tuple[Unsound, Callable[[], bool]]]:
        text = plain(answer)
        said = words(text)
        question = next((m["content"] for m in reversed(prompt) if m["role"] == "user"), "")
        heard = "\n".join(m["content"] for m in prompt if m["role"] != "system")
        return (
            (Unsound.EMPTY, lambda: not said),
            (Unsound.CUT, lambda: not is_whole),
            (Unsound.MARKUP, lambda: self.neutraliser.text(answer) != answer),
            (Unsound.SHORT, lambda: len(said) < self.house.least_words),
            (Unsound.LONG, lambda: len(said) > self.house.most_words),
            (Unsound.REPEATS, lambda: repetition(text) > MOST_REPETITION or _says_twice(text)),
            (Unsound.RECITES, lambda: not self.house.recitals.isdisjoint(_runs(text))),
            (Unsound.CONTACT, lambda: self.house.invents_contact(text)),
            (Unsound.SAME, lambda: bool(before) and gist(before) == gist(answer)),
            (
                Unsound.FOREIGN,
                lambda: is_foreign(
                    text,
                    reference=plain(question),
                    question=plain(question),
                    before=plain(heard),
                    system_prompt=self.house.system_prompt,
                    identify=self.identify,
                ),
            ),
        )


def _says_twice(text: str) -> bool:
    said = [tuple(words(sentence)) for sentence in sentences(text)]
    long = [sentence for sentence in said if len(sentence) >= REPEATED_SENTENCE_WORDS]
    return len(set(long)) < len(long)


def _runs(text: str) -> Iterable[tuple[str, ...]]:
    said = words(text)
    return (tuple(said[at : at + RECITED_WORDS]) for at in range(len(said) - RECITED_WORDS + 1))
