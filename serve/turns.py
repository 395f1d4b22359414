"""The one way to take a turn, for the chat page and the API alike.

A turn resolves its adapter version once, streams the engine's answer on, and records question and answer durably before
its last piece is handed out: whoever has seen the end of an answer can vote on it. An answer that was stopped, lost its
reader or met a failing engine is recorded too, as far as it came. A verified answer is handed on in one piece, and no
engine is asked. Does not know HTTP or Gradio.
"""

import asyncio
import json
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import asdict, replace
from datetime import datetime
from functools import partial

from collect import conversations
from collect.conversations import Told
from collect.grounds import Grounds
from collect.store import Store
from collect.verified.pairs import Hit
from collect.verified.served import record_verified_turn
from deploy.courtesy import Courtesy
from deploy.rollout import Rollout, Route
from nightschool.bots import Bot
from nightschool.engine import PLAIN, ChatRequest, Delta, Engine, Wishes
from nightschool.errors import NotFound, Unavailable, UnknownModel
from nightschool.knowledge import Search, find_nothing
from nightschool.records import BotName, ChatMessage, Conversation, Finish, Message, Sampling, Source, new_id, utc_now
from serve.answering import Answering, end_all
from serve.branches import Tree, read_tree, without_torsos
from serve.budget import Fit, fit_nothing
from serve.calls import begin_call, paths_of, place_call
from serve.drafts import draft_answer, draft_conversation, draft_message, with_prompt
from serve.guarding import guard_of, held_json
from serve.masking import MaskTurn, keep_as_said
from serve.metrics import Metrics
from serve.prompting import compose, compose_call
from serve.questions import check_question
from serve.turn import Turn
from serve.verified import VERIFIED, Verify, may_be_verified, verify_nothing

__all__ = ["Turn", "Turns"]


class Turns:
    """Takes turns for every face. `stop` ends those in flight."""

    def __init__(
        self,
        store: Store,
        engine: Engine,
        rollout: Rollout,
        *,
        metrics: Metrics,
        search: Search = find_nothing,
        fit: Fit = fit_nothing,
        verify: Verify = verify_nothing,
        courtesy: Courtesy | None = None,
        mask: MaskTurn = keep_as_said,
        base_model: str = "",
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self._store = store
        self._engine = engine
        self._rollout = rollout
        self._metrics = metrics
        self._search = search
        self._fit = fit
        self._verify = verify
        self._courtesy = courtesy or Courtesy()
        self._mask = mask
        self._base_model = base_model
        self._now = now
        self.running: dict[asyncio.Task[Delta], Answering] = {}
        self._is_stopping = False

    async def begin_chat(
        self,
        bot: Bot,
        *,
        owner: str,
        conversation_id: str | None,
        text: str,
        parent_id: str | None = None,
        instead_of: str | None = None,
    ) -> Turn:
        """The next turn of a conversation that the record holds, or the first of a new one.

        The question follows `parent_id`, or the newest answer where none is given; where that failed, it takes the
        place of the question that was not answered. `instead_of` names a question whose place it takes, as a sibling.
        Raises InvalidInput for an empty or overlong question, NotFound for a conversation that is not the owner's.
        """
        text = check_question(text)
        history: list[Message] = []
        if conversation_id is None:
            conversation = draft_conversation(bot, owner=owner, source=Source.CHAT, question=text, at=self._now())
        else:
            conversation = await self.owned_conversation(conversation_id, bot=bot.bot_name, owner=owner)
            tree = await self.tree(conversation_id)
            path = tree.before(instead_of) if instead_of else tree.path(parent_id or tree.newest_leaf())
            history = without_torsos(path)
        parent = history[-1].message_id if history else None
        question = draft_message(conversation, "user", text, source=Source.CHAT, parent_id=parent, at=self._now())
        return await self._verified(bot, self._chat_turn(bot, conversation, (*history, question)))

    async def begin_retry(self, bot: Bot, *, owner: str, conversation_id: str, answer_id: str) -> Turn:
        """The question before `answer_id` once more, to the engine; the new answer becomes a sibling of the old one.

        Raises NotFound for a conversation that is not the owner's, or where no answer has that id.
        """
        conversation = await self.owned_conversation(conversation_id, bot=bot.bot_name, owner=owner)
        *history, answer = (await self.tree(conversation_id)).path(answer_id)
        if answer.role != "assistant" or not history:
            raise NotFound("is not an answer", subject="message", remedy="Reload the page.")
        question = history.pop()
        return self._chat_turn(bot, conversation, (*without_torsos(history), question))

    async def begin_api(
        self,
        bot: Bot,
        *,
        owner: str,
        messages: Sequence[ChatMessage],
        sampling: Sampling,
        wishes: Wishes = PLAIN,
        route: Route | None = None,
        metadata_json: str = "",
        stored_as: str = "",
        is_alone: bool = True,
    ) -> Turn:
        """A turn whose history the caller sent along; what of that is recorded is not recorded again (`serve.calls`).

        A caller's system message is put after the bot's own. One of several answers (not `is_alone`) begins anew with
        all its history, as the others do. Raises InvalidInput where the last message is neither a question nor what a
        tool found for one.
        """
        prompt = replace(compose_call(bot, messages, search=self._search), tools=wishes.tools)
        place = partial(place_call, self._store) if is_alone else begin_call
        call = await place(bot, owner=owner, messages=messages, at=self._now())
        turn = Turn(
            bot=bot.bot_name,
            conversation=call.conversation,
            prompt=prompt,
            asked=call.asked,
            answer_id=new_id(),
            sampling=sampling,
            wishes=wishes,
            route=route,
            path=call.path,
            metadata_json=metadata_json,
            stored_as=stored_as,
        )
        return await self._verified(bot, turn)

    async def answer(self, turn: Turn) -> AsyncGenerator[Delta, None]:
        """The answer's pieces; the last one carries `finish` and counts and comes after the record is durable.

        Consume through `aclosing`: closing it ends the generation. Raises what the engine raises, after recording what
        came before.
        """
        if self._is_stopping:
            raise Unavailable("is stopping", subject="server", remedy="Ask again in a moment.")
        pieces: asyncio.Queue[Delta | None] = asyncio.Queue()
        answering = Answering(conversation_id=turn.conversation.conversation_id)
        # A task of our own, since a reader may leave or be cancelled at any await, and the record is written all the
        # same. `stop` waits for it.
        taking = self._quote(turn, turn.verified, answering, pieces) if turn.verified else None
        task = asyncio.create_task(taking or self._take(turn, answering, pieces))
        self.running[task] = answering
        task.add_done_callback(self.running.pop)
        task.add_done_callback(lambda _: pieces.put_nowait(None))
        try:
            while (delta := await pieces.get()) is not None:
                yield delta
            yield task.result()
        finally:
            answering.end(task)
            await asyncio.wait({task})

    def version_of(self, turn: Turn) -> str:
        """`support@3`: who would answer the turn now; `support@verified` where no version does."""
        if turn.verified:
            return f"{turn.bot}@{VERIFIED}"
        return str((turn.route or self._rollout.route(turn.bot)).name)

    async def pin(self, turn: Turn) -> Turn:
        """The turn as it will be answered, fitted and with its version: what is told before the answer is true."""
        if turn.verified:
            return turn
        prompt, sampling = await self._fit(turn.prompt, turn.sampling)
        return replace(turn, prompt=prompt, sampling=sampling, route=turn.route or self._rollout.route(turn.bot))

    async def owned_conversation(self, conversation_id: str, *, bot: BotName, owner: str) -> Conversation:
        """The conversation, for its owner only. Raises NotFound, also where it is somebody else's."""
        found = await self._store.read(partial(conversations.conversation, conversation_id=conversation_id))
        if found.owner != owner or found.bot != bot:
            raise NotFound("is not here", subject="conversation", remedy="Start a new one.")
        return found

    async def tree(self, conversation_id: str) -> Tree:
        """All that was said in a conversation; whose it is was asked before."""
        return await self._store.read(partial(read_tree, conversation_id=conversation_id))

    @property
    def is_stopping(self) -> bool:
        """No more turns are taken."""
        return self._is_stopping

    def has_askers(self) -> bool:
        """Whether somebody waits for an answer."""
        return bool(self.running)

    async def stop(self, *, grace_s: float) -> None:
        """Take no more turns; let those in flight end, and after `grace_s` record them as partial."""
        self._is_stopping = True
        await end_all(self.running, grace_s=grace_s)

    async def _take(self, turn: Turn, answering: Answering, pieces: asyncio.Queue[Delta | None]) -> Delta:
        """Let the engine answer, hand its pieces on and record them. The last piece."""
        with self._courtesy.first_word() as first_word, self._rollout.lease(turn.bot, route=turn.route) as route:
            request = ChatRequest(turn.prompt.messages, route.model, turn.sampling, turn.answer_id, turn.wishes)
            guard = guard_of(turn.prompt, request, self._engine)
            answering.held = guard.held if guard else []
            try:
                async with aclosing(self._engine.stream(request)) as deltas:
                    async for delta in guard.watch(deltas) if guard else deltas:
                        answering.note(delta)
                        if delta.text or delta.logprobs or delta.calls:
                            first_word.is_said()
                            pieces.put_nowait(replace(delta, finish=None, prompt_tokens=0, completion_tokens=0))
            except asyncio.CancelledError:
                # `Answering.end`: nobody wants more. What was said stays recorded, as partial.
                answering.finish = Finish.PARTIAL
            except UnknownModel as error:
                answering.finish = Finish.ERROR
                # The route's, not the caller's choice: an engine that was started anew has not loaded it yet.
                raise Unavailable("is not loaded", subject=str(route.name), remedy="Ask again in a moment.") from error
            except Exception:
                answering.finish = Finish.ERROR
                raise
            finally:
                answering.is_over = True
                if turn.is_recorded:
                    await self._record(turn, route, answering)
        return answering.last_delta

    async def _quote(self, turn: Turn, hit: Hit, answering: Answering, pieces: asyncio.Queue[Delta | None]) -> Delta:
        """Hand a verified answer on as it stands, and record it as what it is. The last piece."""
        # Nothing is being made that could be stopped.
        answering.is_over = True
        answering.note(Delta(hit.pair.answer, Finish.STOP))
        pieces.put_nowait(Delta(hit.pair.answer))
        answer = self._draft_answer(turn, answering, source=Source.VERIFIED)
        told = await self._mask(Told(turn.conversation, turn.asked))
        messages, paths = (*told.messages, answer), paths_of(turn.path, answer)
        keep = partial(record_verified_turn, conversation=told.conversation, messages=messages, hit=hit, paths=paths)
        await self._store.write(partial(keep, listing=turn.listing))
        self._metrics.quoted(answer)
        return answering.last_delta

    async def _verified(self, bot: Bot, turn: Turn) -> Turn:
        may_be = may_be_verified(turn.asked, turn.sampling, usual=bot.sampling.to_sampling())
        if turn.route or turn.wishes.changes_form or not may_be:
            return turn
        return replace(turn, verified=await self._verify(turn.bot, turn.asked[0].content))

    async def _record(self, turn: Turn, route: Route, answering: Answering) -> None:
        answer = replace(
            with_prompt(self._draft_answer(turn, answering, source=turn.asked[-1].source), turn.prompt),
            version=route.name.version,
            adapter_hash=route.adapter_hash,
            prompt_tokens=answering.prompt_tokens,
            completion_tokens=answering.completion_tokens,
            sampling_json=json.dumps(asdict(turn.sampling) | turn.wishes.told()),
            held_json=held_json(answering.held),
            base_model=self._base_model,
        )
        grounds = Grounds(turn.prompt.system, turn.prompt.found.passages)
        paths, messages = paths_of(turn.path, answer), (*turn.asked, answer)
        told = Told(turn.conversation, messages, grounds, paths, turn.listing, turn.usual_id)
        await self._store.write_row(conversations.record_turns, await self._mask(told))
        self._metrics.answered(route.name, answer)

    def _draft_answer(self, turn: Turn, answering: Answering, *, source: Source) -> Message:
        asked = turn.asked[-1].message_id
        about = (turn.conversation, turn.answer_id, answering)
        answer = draft_answer(*about, source=source, parent_id=asked, at=self._now())
        return replace(answer, metadata_json=turn.metadata_json)

    def _chat_turn(self, bot: Bot, conversation: Conversation, said: Sequence[Message]) -> Turn:
        chat = [ChatMessage(role=message.role, content=message.content) for message in said]
        return Turn(
            bot=bot.bot_name,
            conversation=conversation,
            prompt=compose(bot, chat, search=self._search),
            asked=(said[-1],),
            answer_id=new_id(),
            sampling=bot.sampling.to_sampling(),
        )
