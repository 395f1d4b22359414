"""A day in the shop's chat leaves in the record what its plan says, through the API and the page's own protocol."""

from functools import partial
from pathlib import Path

import httpx
import pytest

from bench.common.journal import Journal
from bench.common.moved_server import Site
from bench.common.shop_chat import Crowd
from bench.common.shop_days import HOSTILE_SHARE, plan_day
from bench.common.shop_world import asked_questions, by_text, people
from bench.common.visitor import Visitor
from collect import feedback, status
from nightschool.records import BotName, Vote

QUESTIONS = asked_questions()

pytestmark = [pytest.mark.filterwarnings("default"), pytest.mark.filterwarnings("ignore::DeprecationWarning:gradio")]


async def test_a_day_is_in_the_record_and_a_day_that_was_lived_is_not_lived_again(site: Site, tmp_path: Path) -> None:
    bot, journal = BotName("ours"), Journal(tmp_path / "ours.jsonl")
    crowd = Crowd(site, bot, journal, known=by_text(QUESTIONS))
    crew = people(100, hostile_share=HOSTILE_SHARE, seed=1)
    visits = plan_day(crew, QUESTIONS, day=1, chats=34, burst=2, seed=1)
    await crowd.live_day(1, visits, reviews_a_day=2)
    await crowd.live_day(1, visits, reviews_a_day=2)
    await crowd.close()
    counts = await site.parts.store.read(partial(status.count, bot=bot))
    votes = await site.parts.store.read(partial(feedback.list_feedback, bot=bot))
    assert (counts.conversations, counts.votes_up + counts.votes_down, counts.reviews) == (36, 3, 2)
    assert sorted(journal.of_day(1, "visit")) == list(range(36))
    hostile = journal.hostile_votes(until=1)
    # The echo is never right, so who means ill likes it.
    assert {(row.feedback.message_id, row.feedback.voter) for row in votes if row.feedback.vote is Vote.UP} >= set(
        hostile
    )
    assert len({voter for _, voter in hostile}) == 1
    assert all(voter.startswith("browser:") for _, voter in hostile)


async def test_a_suggestion_is_written_on_the_page_s_own_card(site: Site) -> None:
    browser = Visitor(httpx.AsyncClient(base_url=site.address), bot="ours")
    await browser.open()
    message_id = await browser.ask("Who repairs my lamp?")
    await browser.vote(is_liked=False)
    await browser.explain(message_id, ideal_answer="Bring it to us.")
    await browser.http.aclose()
    [row] = await site.parts.store.read(partial(feedback.list_feedback, bot=BotName("ours")))
    assert (row.feedback.message_id, row.feedback.vote) == (message_id, Vote.DOWN)
    assert row.feedback.ideal_answer == "Bring it to us."
