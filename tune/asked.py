"""Which questions a machine is to answer: those that nobody answered well, each once, what operators saw first.

Of questions that say the same, in one conversation or in near-duplicates, one is taken; none that a row to imitate or
to be examined on answers. Does not know who answers them.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from nightschool.records import ChatMessage
from tune.lack import Lack
from tune.places import Place, place_at_end
from tune.rows import Named
from tune.select import Lesson, Unanswered
from tune.snapshot import Talk

_RANK: Final = {lack: rank for rank, lack in enumerate(Lack)}


def choose_questions(
    rows: Iterable[Named], lessons: Iterable[Lesson], *, groups: Mapping[str, str], talks: Mapping[str, Talk]
) -> tuple[Named, ...]:
    """Of `rows`, which are questions, those to be answered: refused before disliked before unrated, newest first."""
    asked = [(named, named.row) for named in rows if isinstance(named.row, Unanswered)]
    newest = sorted(asked, key=lambda one: (talks[one[1].conversation_id].created_at, one[0].item_id), reverse=True)
    seen = {place for lesson in lessons for place in _answered(lesson)}
    speaker: dict[str, str] = {}
    chosen = []
    for named, row in sorted(newest, key=lambda one: _RANK[one[1].lack]):
        place, name = place_at_end(row.prompt), row.conversation_id
        if place not in seen and speaker.setdefault(groups[name], name) == name:
            seen.add(place)
            chosen.append(named)
    return tuple(chosen)


def _answered(lesson: Lesson) -> Iterator[Place]:
    messages: tuple[ChatMessage, ...] = lesson.messages
    for position, message in enumerate(messages):
        if message["role"] == "assistant" and message.get("weight", 1) != 0:
            yield place_at_end(messages[:position])
