"""What the answers of a conversation stood on, read back from the record. Does not know how it is shown."""

from collections.abc import Mapping, Sequence
from functools import partial

from collect import grounds
from collect.store import Store
from nightschool.bots import Bot
from nightschool.knowledge import Passage
from nightschool.records import Message


async def read_sources(store: Store, bot: Bot, path: Sequence[Message]) -> Mapping[str, tuple[Passage, ...]]:
    """By the answer's id, best first; nothing where the bot shows no sources. A passage that was erased is left out.

    An answer that says nothing, or failed, stands on nothing.
    """
    answers = [message for message in path if message.passage_ids and message.content.strip()]
    if not answers or not bot.knowledge.show_sources:
        return {}
    wanted = sorted({name for answer in answers for name in answer.passage_ids})
    found = await store.read(partial(grounds.passages_of, passage_ids=wanted))
    known = {passage.passage_id: passage for passage in found}
    return {answer.message_id: tuple(known[name] for name in answer.passage_ids if name in known) for answer in answers}
