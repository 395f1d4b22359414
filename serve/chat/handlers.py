"""What the chat page does: opens a conversation, asks, tries again, takes votes. Knows no component.

The record is the truth: every method is given what the browser remembers (`Place`), checks whose it is, and returns
what to show as plain values. While an answer streams the view holds it as far as it came; afterwards it is read back
from the record, so that page and record agree.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import aclosing, contextmanager, nullcontext
from dataclasses import replace
from functools import partial
from typing import Final

from collect import conversations
from collect.chat_settings import ChatSettings, chat_settings, keep_chat_settings
from collect.signals.deeds import keep_deed
from collect.signals.detect import Kind
from collect.store import LOOK_S, Store
from deploy.fates import Fates
from nightschool.bots import Bot, BotShelf
from nightschool.errors import Busy, NotFound, Unavailable
from nightschool.records import BotName, Vote, utc_now
from serve.branches import Tree
from serve.chat.comparing import is_first_left
from serve.chat.growing import grow, grow_both
from serve.chat.lines import line_of, side_by_side
from serve.chat.named import NamedQuestions, with_name
from serve.chat.sources import read_sources
from serve.chat.two_answers import TwoAnswers
from serve.chat.views import ChatView, Line, Lists, Place, Rated
from serve.opponents import Opponents
from serve.pace import Pace
from serve.turns import Turn, Turns
from serve.vllm.supervisor import EngineState, EngineStatus
from serve.votes import Opinion, Votes

FIRST_BOT: Final = "support"
"""Who greets a newcomer, where there is one of that name; else the first by name."""
REASONS: Final = ("wrong", "unclear", "too long", "rude", "other")
REDRAW_S: Final = 0.2
"""An answer is drawn at most this often: smooth to the eye, and each drawing costs the one event loop some 5 ms."""
ENDING_S: Final = 5.0
"""How long a view waits for the record of an answer that was just stopped."""


class ChatHandlers:
    """Made once for the page, given the parts it needs."""

    def __init__(
        self,
        *,
        turns: Turns,
        votes: Votes,
        fates: Fates,
        store: Store,
        shelf: BotShelf,
        opponents: Opponents,
        engine_status: Callable[[], EngineStatus],
        answers_per_minute: int,
    ) -> None:
        self._turns = turns
        self._votes = votes
        self._fates = fates
        self._store = store
        self._shelf = shelf
        self._engine_status = engine_status
        self._pace = Pace(answers_per_minute)
        self._two = TwoAnswers(store, opponents, pace=self._pace)
        self._named = NamedQuestions(store)
        # Owner and conversation of each answer in flight, with the event that its record is written.
        self._in_flight: dict[tuple[str, str], asyncio.Event] = {}

    async def open(self, place: Place) -> ChatView:
        """The conversation as recorded, or an empty page where it is unknown or somebody else's."""
        if ending := self._in_flight.get((place.owner, place.conversation_id)):
            await _wait(ending)
        return await self._show(place)

    async def turn_to(self, place: Place, message_id: str) -> ChatView:
        """The newest branch of the conversation that goes through `message_id`, a sibling of a message on the page."""
        return await self._show(place, below=message_id)

    async def lists(self, place: Place, *, sought: str = "") -> Lists:
        """The bots there are and the browser's conversations with the present one, newest first."""
        bot = self._bot(place.bot)
        wanted = partial(conversations.conversations_of, bot=bot.bot_name, owner=place.owner, sought=sought.strip())
        # A search reads all that the person ever said.
        search = partial(self._store.read_long, deadline_s=LOOK_S)
        found = await (search if sought.strip() else self._store.read)(wanted)
        # Settings tell nothing of a chat; still, only of one's own.
        settings = ChatSettings()
        if any(place.conversation_id == summary.conversation_id for summary in found):
            settings = await self._store.read(partial(chat_settings, conversation_id=place.conversation_id))
        return Lists(tuple(self._shelf.bots.values()), tuple(found), settings)

    async def stay(self, place: Place) -> ChatView:
        """The conversation as far as it is shown: the branch that was turned to, or one that begins there and in which
        nothing was asked yet; the newest where nothing is shown, or an answer was just coming."""
        if (place.owner, place.conversation_id) in self._in_flight:
            return await self.open(place)
        return await self._show(place, leaf=place.newest)

    async def come_back(self, place: Place, name: str) -> tuple[ChatView, bool]:
        """`stay` for whoever left while a question of this `name` was on its way, and whether it got through: it is
        shown then."""
        if ending := self._named.end_of(place.owner, name):
            await _wait(ending)
            if self._named.end_of(place.owner, name):
                return await self._show(place), True
        asked = await self._named.find(name) if name else None
        if asked is None:
            return await self.stay(place), False
        there = replace(place, bot=str(asked.bot), conversation_id=asked.conversation_id)
        return await self.turn_to(there, name), True

    async def ask(
        self, place: Place, text: str, *, name: str = "", instead_of: str = "", is_private: bool = False
    ) -> AsyncGenerator[ChatView, None]:
        """The page while the answer comes; `instead_of` names a question of which this is another wording.

        One that was taken by its `name` before is shown, and not taken again. A conversation that begins `is_private`
        teaches nothing from its first word on.

        Raises what stands against asking before anything changed.
        """
        bot = self._bot(place.bot)
        if place.bot and bot.name != place.bot:
            raise NotFound("is not here any more", subject=place.bot, remedy="Reload the page.")
        with self._claim(place), self._named.take(place.owner, name):
            if name and (known := await self._named.find(name)):
                place = replace(place, bot=str(known.bot), conversation_id=known.conversation_id)
                await self._tree(place)
                yield await self.turn_to(place, name)
                return
            self._admit(place, bot)
            turn = await self._turns.begin_chat(
                bot,
                owner=place.owner,
                conversation_id=place.conversation_id or None,
                text=text,
                parent_id=place.newest,
                instead_of=instead_of or None,
            )
            turn = with_name(turn, name)
            if is_private and not place.conversation_id:
                await self._keep_private(turn.conversation.conversation_id)
            turn = await self._turns.pin(turn)
            other = await self._two.plan(bot, turn, owner=place.owner, is_private=is_private)
            async with aclosing(self._answer(place, bot, turn, other)) as views:
                async for view in views:
                    yield view

    async def retry(self, place: Place) -> AsyncGenerator[ChatView, None]:
        """Answer the last question once more; the old answer and its votes stay in the record beside the new one."""
        bot = self._bot(place.bot)
        if place.newest is None:
            raise NotFound("is not here", subject="answer", remedy="Ask something first.")
        with self._claim(place):
            self._admit(place, bot)
            turn = await self._turns.begin_retry(
                bot, owner=place.owner, conversation_id=place.conversation_id, answer_id=place.newest
            )
            retried = partial(keep_deed, kind=Kind.RETRY, message_id=place.newest, owner=place.owner, at=utc_now())
            await self._store.write(retried)
            async with aclosing(self._answer(place, bot, await self._turns.pin(turn))) as views:
                async for view in views:
                    yield view

    async def vote(self, place: Place, position: int, vote: Vote) -> Rated:
        """Record the thumb on the message at `position` of the page; NONE takes it back with all that was said."""
        said = Opinion(vote=vote) if vote is Vote.DOWN else Opinion(vote, reasons=(), comment="", ideal_answer="")
        stored = await self._votes.cast(_message_at(place, position), said, owner=place.owner, address=place.address)
        return Rated(await self._lines(place, await self._tree(place), place.newest), stored)

    async def explain(
        self, place: Place, message_id: str, *, reasons: Sequence[str], comment: str, ideal_answer: str
    ) -> None:
        """Add to a dislike why, and what would have been better."""
        opinion = Opinion(Vote.DOWN, tuple(reasons), comment.strip(), ideal_answer.strip())
        await self._votes.cast(message_id, opinion, owner=place.owner, address=place.address)

    def check_at_rest(self, place: Place) -> None:
        """Raises Busy while an answer to this browser is written: its record would bring back what is deleted now."""
        if any(owner == place.owner for owner, _ in self._in_flight):
            raise Busy("is still answering", subject="conversation", remedy="Wait for the answer or stop it.")

    def engine_state(self) -> EngineState:
        """Whether an answer can come now."""
        return self._engine_status().state

    def _admit(self, place: Place, bot: Bot) -> None:
        if self.engine_state() is not EngineState.READY:
            raise Unavailable("is not ready", subject=bot.title, remedy="Ask again in a moment.")
        self._pace.spend(place.owner)

    def _bot(self, name: str) -> Bot:
        """The bot called so, else the first: an old link should still open a page."""
        bots = self._shelf.bots
        return bots.get(BotName(name)) or bots.get(BotName(FIRST_BOT)) or next(iter(bots.values()))

    async def _answer(
        self, place: Place, bot: Bot, turn: Turn, other: Turn | None = None
    ) -> AsyncGenerator[ChatView, None]:
        asked, conversation_id = turn.asked[-1], turn.conversation.conversation_id
        before: tuple[Line, ...] = ()
        if asked.parent_id is not None:
            before = await self._lines(place, await self._tree(place), asked.parent_id)
        question = Line(asked.message_id, "user", asked.content)
        answer = Line("", "assistant", "", self._turns.version_of(turn))
        if other is None:
            growing = grow(self._turns, turn, answer)
        else:
            is_beside_left = not is_first_left(turn.answer_id, other.answer_id)
            beside = Line("", "assistant", "")
            answer = replace(answer, beside=beside, is_beside_left=is_beside_left)
            growing = grow_both(self._turns, turn, other, answer, beside)
        view = ChatView(bot, conversation_id, (*before, question, answer))
        # The first word is drawn as soon as it is there.
        drawn_at = -REDRAW_S
        # A conversation that begins with this turn has its id only now.
        with nullcontext() if place.conversation_id else self._claim(replace(place, conversation_id=conversation_id)):
            async with aclosing(growing) as lines:
                yield view
                async for answer in lines:
                    if time.monotonic() - drawn_at >= REDRAW_S:
                        drawn_at = time.monotonic()
                        yield replace(view, lines=(*before, question, answer))

    async def _keep_private(self, conversation_id: str) -> None:
        settings, at = ChatSettings(is_private=True), utc_now()
        await self._store.write(partial(keep_chat_settings, conversation_id=conversation_id, settings=settings, at=at))

    @contextmanager
    def _claim(self, place: Place) -> Iterator[None]:
        """Hold the conversation for one answer. Raises Busy; to be taken before anything is awaited."""
        key = (place.owner, place.conversation_id)
        if not place.conversation_id:
            yield
            return
        if key in self._in_flight:
            raise Busy("is still answering", subject="conversation", remedy="Wait for the answer or stop it.")
        self._in_flight[key] = landed = asyncio.Event()
        try:
            yield
        finally:
            del self._in_flight[key]
            landed.set()

    async def _show(self, place: Place, *, below: str | None = None, leaf: str | None = None) -> ChatView:
        bot = self._bot(place.bot)
        empty = ChatView(bot, "", ())
        if not place.conversation_id:
            return empty
        try:
            tree = await self._tree(place)
            leaf = leaf or tree.newest_leaf(below)
            duel = await self._two.find_undecided(bot, tree, leaf)
            lines = await self._lines(place, tree, duel.usual_id if duel else leaf)
            return ChatView(bot, place.conversation_id, side_by_side(lines, tree, duel) if duel else lines)
        except NotFound:
            return empty

    async def _tree(self, place: Place) -> Tree:
        """Raises NotFound where the conversation is not the owner's."""
        bot = self._bot(place.bot)
        await self._turns.owned_conversation(place.conversation_id, bot=bot.bot_name, owner=place.owner)
        return await self._turns.tree(place.conversation_id)

    async def _lines(self, place: Place, tree: Tree, leaf: str | None) -> tuple[Line, ...]:
        path, bot = tree.path(leaf), self._bot(place.bot)
        votes = await self._votes.in_conversation(place.conversation_id, owner=place.owner)
        fates = await self._fates.find_used(votes.values(), bot=bot.bot_name)
        sources = await read_sources(self._store, bot, path)
        lines = (line_of(message, tree, votes, fates) for message in path)
        told = next((message.message_id for message in path if message.turns_left_out), None)
        return tuple(
            replace(x, sources=sources.get(x.message_id, ()), has_forgotten=x.message_id == told) for x in lines
        )


async def _wait(ending: asyncio.Event) -> None:
    try:
        async with asyncio.timeout(ENDING_S):
            await ending.wait()
    except TimeoutError:
        return


def _message_at(place: Place, position: int) -> str:
    message_id = place.shown[position] if 0 <= position < len(place.shown) else ""
    if not message_id:
        raise Busy("is not finished yet", subject="answer", remedy="Vote once it is complete.")
    return message_id
