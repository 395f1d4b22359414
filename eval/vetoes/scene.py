"""What a veto may look at beside the answer: what was said before it, its reference, and what is common in the exam.

An adapter learns its company's own address and prices and may name them anywhere, so what the references of several
conversations hold is the house's own and no slip. Does not know what a fault is, nor who answered.
"""

import itertools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from eval.suites import SuiteRow
from nightschool.wording import plain

HOUSE_CONVERSATIONS: Final = 2
"""In the references of so many conversations a thing must stand to be the house's own."""


@dataclass(frozen=True, slots=True)
class Scene:
    row_id: str
    conversation_id: str
    question: str
    """What the person said last."""
    before: str
    """All that was said before the answer, without the system prompt."""
    system_prompt: str
    reference: str

    @property
    def known(self) -> str:
        return "\n".join((self.before, self.system_prompt, self.reference))


def scene_of(row: SuiteRow) -> Scene:
    system = [message["content"] for message in row.messages if message["role"] == "system"]
    spoken = [message["content"] for message in row.messages if message["role"] != "system"]
    asked = [message["content"] for message in row.messages if message["role"] == "user"]
    return Scene(
        row.row_id,
        row.conversation_id,
        plain(asked[-1]) if asked else "",
        plain("\n".join(spoken)),
        plain("\n".join(system)),
        plain(row.reference),
    )


def of_the_house(scenes: Iterable[Scene], find: Callable[[str], Iterable[str]]) -> frozenset[str]:
    """What `find` finds in the references of several conversations."""
    holders: dict[str, set[str]] = {}
    for scene in scenes:
        for thing in find(scene.reference):
            holders.setdefault(thing, set()).add(scene.conversation_id)
    return frozenset(thing for thing, ids in holders.items() if len(ids) >= HOUSE_CONVERSATIONS)


def pairs(said: Sequence[str]) -> list[tuple[str, str]]:
    return list(itertools.pairwise(said))


def longest_shared_run(said: Sequence[str], source: Sequence[str]) -> tuple[str, ...]:
    """The longest run of words of `said` that stands in `source` too."""
    best_length, best_end = 0, 0
    previous = [0] * (len(source) + 1)
    for position, word in enumerate(said, start=1):
        current = [0] * (len(source) + 1)
        for column, other in enumerate(source, start=1):
            if word == other:
                current[column] = previous[column - 1] + 1
                if current[column] > best_length:
                    best_length, best_end = current[column], position
        previous = current
    return tuple(said[best_end - best_length : best_end])
