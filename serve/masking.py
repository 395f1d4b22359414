"""Keep no personal data that a bot's file wants out of the record (`privacy.mask_before_storing`): placeholders do.

An answer is made of what the person wrote; what is kept of it, and of votes, corrections, titles and imports, is
written with placeholders, the same for the same thing throughout one conversation. What they stand for is known to this
process alone, for the conversations it saw last, and until one is erased; beyond, numbers go on behind those that are
used. Where it cannot be looked for, nothing is kept. Does not know what personal data is (`nightschool.pii`), nor where
the texts stand (`serve.rewriting`).
"""

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Final, Protocol, TypeVar

from collect.conversations import Told, conversations_with, message, texts_about
from collect.erase import Erasure
from collect.feedback import Opinion
from collect.formats.read import ParsedConversation
from collect.formats.table import Parsed
from collect.store import Store
from nightschool.bots import Bot, BotShelf
from nightschool.errors import Unavailable
from nightschool.pii.mask import Masker, Placeholders, find_common
from nightschool.pii.spans import Span
from nightschool.records import BotName
from serve.rewriting import Say, rewrite_imported, rewrite_opinion, rewrite_turn

T = TypeVar("T")
REMEMBERED: Final = 2_000
"""Conversations of which the placeholders are known."""
IMPORT: Final = "import "
"""Before the name of a conversation as a file brings it, whose placeholders are its own."""


class Find(Protocol):
    """Where in each text personal data stands."""

    async def __call__(self, texts: Sequence[str], *, names: bool) -> list[list[Span]]: ...


class Masking:
    """`find` is asked for the bots alone whose files want it."""

    def __init__(self, find: Find, store: Store, shelf: BotShelf) -> None:
        self._find = find
        self._store = store
        self._shelf = shelf
        self._known: OrderedDict[str, Placeholders] = OrderedDict()

    async def rewritten(
        self,
        thing: T,
        rewrite: Callable[[T, Say], T],
        *,
        bot: BotName,
        conversation_id: str | None,
        own: Sequence[str] = (),
    ) -> T:
        """`thing` as it may be kept; without a conversation its placeholders are its own. What is said in the bot's
        `own` texts stays, as it does in datasets.

        Raises Unavailable where nobody can say what is personal.
        """
        file = self._file_that_wants_it(bot)
        if file is None:
            return thing
        seen: dict[str, str] = {}
        rewrite(thing, lambda text: seen.setdefault(text, text))
        texts = [text for text in seen if text]
        found = await self._find(texts, names=file.privacy.mask == "names")
        placeholders = await self._placeholders(conversation_id)
        said = [("", text, spans) for text, spans in zip(texts, found, strict=True)]
        allowed = find_common(said, own="\n".join([file.own_texts, *own]), known=file.privacy.allow)
        masker = Masker(allowed, placeholders)
        seen.update((text, masker.mask(text, spans)) for _, text, spans in said)
        return rewrite(thing, seen.__getitem__)

    async def warm_up(self) -> None:
        """Have those who look ready before the first text, where a bot wants them."""
        for names in {
            bot.privacy.mask == "names" for bot in self._shelf.bots.values() if bot.privacy.mask_before_storing
        }:
            with suppress(Unavailable):
                await self._find(["Hello."], names=names)

    async def text(self, text: str, *, bot: BotName, conversation_id: str) -> str:
        return await self.rewritten(text, lambda text, say: say(text), bot=bot, conversation_id=conversation_id)

    async def opinion(self, opinion: Opinion, *, bot: BotName, conversation_id: str) -> Opinion:
        return await self.rewritten(opinion, rewrite_opinion, bot=bot, conversation_id=conversation_id)

    async def turn(self, told: Told) -> Told:
        """What is kept of a turn. The bot's passages are no person's words."""
        talk = told.conversation
        own = [passage.stated for passage in told.grounds.passages]
        return await self.rewritten(told, rewrite_turn, bot=talk.bot, conversation_id=talk.conversation_id, own=own)

    async def about(self, message_id: str, text: str, *, bot: BotName) -> str:
        """What an operator says of an answer. Raises NotFound for one that is not there."""
        if self._file_that_wants_it(bot) is None:
            return text
        talk = (await self._store.read(partial(message, message_id=message_id))).conversation_id
        return await self.text(text, bot=bot, conversation_id=talk)

    async def imported(self, parsed: Sequence[Parsed], *, bot: BotName) -> list[Parsed]:
        """What an import brings. Branches of one conversation share their placeholders."""
        return [
            await self.rewritten(one, rewrite_imported, bot=bot, conversation_id=_conversation_of(one))
            for one in parsed
        ]

    async def forget(self, erasure: Erasure) -> None:
        """Let go of what placeholders stand for in erased conversations, and in those that the person only voted in."""
        ids = sorted(erasure.voted_ids)
        voted_in = await self._store.read(partial(conversations_with, message_ids=ids)) if ids else []
        for name in (*erasure.conversation_ids, *voted_in):
            self._known.pop(name, None)
            self._known.pop(IMPORT + name, None)

    def _file_that_wants_it(self, bot: BotName) -> Bot | None:
        file = self._shelf.bots.get(bot)
        return file if file is not None and file.privacy.mask_before_storing else None

    async def _placeholders(self, conversation_id: str | None) -> Placeholders:
        if conversation_id is None:
            return Placeholders()
        if conversation_id not in self._known:
            fresh = Placeholders()
            fresh.go_on_behind(await self._store.read(partial(texts_about, conversation_id=conversation_id)))
            # Another turn of it may have come first.
            self._known.setdefault(conversation_id, fresh)
        self._known.move_to_end(conversation_id)
        while len(self._known) > REMEMBERED:
            self._known.popitem(last=False)
        return self._known[conversation_id]


MaskTurn = Callable[[Told], Awaitable[Told]]


class MaskOpinion(Protocol):
    async def __call__(self, opinion: Opinion, *, bot: BotName, conversation_id: str) -> Opinion: ...


async def keep_as_said(told: Told) -> Told:
    return told


async def keep_as_meant(opinion: Opinion, **_about: object) -> Opinion:
    return opinion


def _conversation_of(parsed: Parsed) -> str | None:
    if isinstance(parsed, ParsedConversation) and parsed.kept is not None:
        return IMPORT + parsed.kept.conversation_id
    return None
