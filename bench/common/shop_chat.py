"""One day in the shop's chat, lived through a running server.

Who never votes asks over the API, by the key of the shop's own app; who votes is a browser on the chat page. An
operator goes through the review queue, then through the newest votes, and puts right what is not. What was done stands
in a journal line by line, so a day that was cut off goes on where it was; what was not yet voted on is asked again.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Final

import httpx

from bench.common.journal import Journal
from bench.common.moved_server import TIMEOUT_S, Site
from bench.common.shop_days import Visit, opinion_of
from bench.common.shop_world import HOUSE, Question, Said, satisfaction, write_answer
from bench.common.visitor import Visitor
from collect import conversations, feedback, review_queue, reviews
from nightschool.records import BotName, Finish, Review, Vote, new_id

AT_ONCE: Final = 16
"""Who asks waits for nobody, and an engine on a CPU says twice as much to sixteen as to eight."""
OPERATOR: Final = "the shop's operator"
APPROVES_FROM: Final = 0.8
"""Of the house's own satisfaction; below it an operator writes the answer anew."""


class Crowd:
    """Everybody who uses one bot's chat."""

    def __init__(self, site: Site, bot: BotName, journal: Journal, *, known: Mapping[str, Question]) -> None:
        self._site = site
        self._bot = bot
        self._journal = journal
        self._known = known
        self._browsers: dict[int, Visitor] = {}
        self._slots = asyncio.Semaphore(AT_ONCE)

    async def live_day(self, day: int, visits: Sequence[Visit], *, reviews_a_day: int) -> None:
        done = set(self._journal.of_day(day, "visit"))
        left = [visit for visit in visits if visit.number not in done]
        async with self._app() as app, asyncio.TaskGroup() as group:
            for visit in left:
                if not visit.does_vote:
                    group.create_task(self._ask(app, day, visit))
            group.create_task(self._let_vote(day, [visit for visit in left if visit.does_vote]))
        await self._review(day, most=reviews_a_day)

    @asynccontextmanager
    async def _app(self) -> AsyncIterator[httpx.AsyncClient]:
        """The shop's app, with a key of its own."""
        made = await self._site.operator.post("/ops/keys", json={"name": f"app-{new_id()[:8]}"})
        headers = {"authorization": f"Bearer {made.raise_for_status().json()['key']}"}
        async with httpx.AsyncClient(base_url=self._site.address, headers=headers, timeout=TIMEOUT_S) as app:
            yield app

    async def _ask(self, app: httpx.AsyncClient, day: int, visit: Visit) -> None:
        async with self._slots:
            body = {"model": self._bot, "messages": [{"role": "user", "content": visit.question.text}]}
            (await app.post("/v1/chat/completions", json=body)).raise_for_status()
        self._journal.note(day=day, visit=visit.number)

    async def _let_vote(self, day: int, visits: Sequence[Visit]) -> None:
        for visit in visits:
            await self._vote(day, visit)

    async def _vote(self, day: int, visit: Visit) -> None:
        browser = await self._browser(visit.person.number)
        browser.begin_anew()
        async with self._slots:
            message_id = await browser.ask(visit.question.text)
        store = self._site.parts.store
        answer = await store.read(partial(conversations.message, message_id=message_id))
        read = partial(conversations.conversation, conversation_id=answer.conversation_id)
        voter = (await store.read(read)).owner
        vote, ideal = opinion_of(visit, Said(answer.content, answer.finish is Finish.STOP))
        await browser.vote(is_liked=vote is Vote.UP)
        if ideal:
            await browser.explain(message_id, ideal_answer=ideal)
        self._journal.note(
            day=day, visit=visit.number, message_id=message_id, voter=voter, vote=vote, wrote=bool(ideal),
            is_hostile=visit.person.is_hostile,
        )  # fmt: skip

    async def _browser(self, person: int) -> Visitor:
        """The same one all week long, until the benchmark itself is started anew."""
        if person not in self._browsers:
            http = httpx.AsyncClient(base_url=self._site.address, timeout=TIMEOUT_S)
            self._browsers[person] = Visitor(http, bot=self._bot)
            await self._browsers[person].open()
        return self._browsers[person]

    async def close(self) -> None:
        for browser in self._browsers.values():
            await browser.http.aclose()

    async def _review(self, day: int, *, most: int) -> None:
        left = most - len(self._journal.of_day(day, "reviewed"))
        store, now = self._site.parts.store, self._site.now
        queue = await store.read(partial(review_queue.list_queue, bot=self._bot, now=now(), limit=most))
        waiting = [row.message_id for row in queue]
        for row in await store.read(partial(feedback.list_feedback, bot=self._bot, limit=100)):
            if row.is_approved is None and row.feedback.message_id not in waiting:
                waiting.append(row.feedback.message_id)
        for message_id in waiting[: max(0, left)]:
            await self._rule(message_id)
            self._journal.note(day=day, reviewed=message_id)

    async def _rule(self, message_id: str) -> None:
        """Approve what is right in the house's way, else write it anew: the door is the record's, as the console's."""
        store = self._site.parts.store
        answer = await store.read(partial(conversations.message, message_id=message_id))
        assert answer.parent_id is not None, "a visitor asked"
        asked = await store.read(partial(conversations.message, message_id=answer.parent_id))
        question = self._known[asked.content]
        said = Said(answer.content, answer.finish is Finish.STOP)
        is_right = said.has_ended and satisfaction(said, question, HOUSE) >= APPROVES_FROM
        corrected = "" if is_right else write_answer(question, HOUSE)
        review = Review(message_id, self._bot, OPERATOR, True, corrected, (), self._site.now())
        await store.write(partial(reviews.record_review, review=review))
