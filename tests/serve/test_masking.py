"""With `privacy.mask_before_storing` nothing of what a person gave away reaches the disk; the answer is made of it."""

import json
from collections.abc import Sequence
from contextlib import aclosing
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from collect.conversations import conversation_messages
from collect.feedback import FeedbackRow, feedback_of, record_opinion
from collect.scores import scores_in
from nightschool.bots import Bot
from nightschool.engine import Engine
from nightschool.errors import Unavailable
from nightschool.pii.finder import Finder
from nightschool.pii.spans import Span
from nightschool.records import BotName, Message, Vote, utc_now
from serve.chat.own_chats import OwnChats
from serve.chat.views import Place
from serve.console.handlers import ConsoleHandlers
from serve.console.rulings import shown_of
from serve.masking import Masking
from serve.parts import Parts
from serve.rewriting import rewrite_opinion
from serve.turn import Turn
from serve.turns import Turns
from serve.votes import Opinion

SUPPORT, REVIEWER = BotName("support"), BotName("reviewer")
ADA = "browser:ada"
MAIL = "ada.lovelace@engines.example"
CARD = "4539 1488 0343 6467"
PHONE = "+49 151 2345 6789"
SHOP = "help@shop.example"
ORDER = """
name = "{name}"
title = "Fern"
system_prompt = "You are Fern. Write to {shop}."
[sampling]
max_tokens = 200
[privacy]
mask = "{mask}"
mask_before_storing = true
[schedule]
enabled = false
"""


@pytest.fixture
def bots_folder(bots_folder: Path) -> Path:
    """`support` and `nameless` keep placeholders alone; `reviewer` keeps what was said."""
    for name, mask in (("support", "patterns"), ("nameless", "names")):
        (bots_folder / f"{name}.toml").write_text(ORDER.format(name=name, mask=mask, shop=SHOP))
    return bots_folder


@pytest.fixture
def bot(parts: Parts) -> Bot:
    return parts.shelf.find("support")


async def ask(parts: Parts, bot: Bot, text: str, *, after: Turn | None = None) -> tuple[Turn, str]:
    """The turn and what the person read."""
    conversation_id = after.conversation.conversation_id if after else None
    turn = await parts.turns.begin_chat(bot, owner=ADA, conversation_id=conversation_id, text=text)
    async with aclosing(parts.turns.answer(turn)) as deltas:
        return turn, "".join([delta.text async for delta in deltas])


async def recorded(parts: Parts, turn: Turn) -> list[str]:
    name = turn.conversation.conversation_id
    found: list[Message] = await parts.store.read(partial(conversation_messages, conversation_id=name))
    return [message.content for message in found]


async def find_here(texts: Sequence[str], *, names: bool) -> list[list[Span]]:
    return [*Finder().find(texts)]


def holds(folder: Path, text: str) -> bool:
    return any(text.encode() in file.read_bytes() for file in folder.rglob("*") if file.is_file())


async def test_the_engine_reads_what_was_said_and_the_record_holds_placeholders(parts: Parts, bot: Bot) -> None:
    turn, read = await ask(parts, bot, f"I am {MAIL}, not {SHOP}. Was {CARD} charged?")
    assert read == f"[echo base] I am {MAIL}, not {SHOP}. Was {CARD} charged?"
    kept = f"I am [EMAIL_1], not {SHOP}. Was [CARD_1] charged?"
    assert await recorded(parts, turn) == [kept, f"[echo base] {kept}"]
    later, _ = await ask(parts, bot, f"Call {PHONE} or write to {MAIL}.", after=turn)
    assert [m["content"] for m in later.prompt.messages][1:3] == [kept, f"[echo base] {kept}"]
    assert (await recorded(parts, turn))[2] == "Call [PHONE_1] or write to [EMAIL_1]."


async def test_after_a_restart_a_number_stands_for_nothing_else(parts: Parts, bot: Bot, engine: Engine) -> None:
    turn, _ = await ask(parts, bot, f"I am {MAIL}.")
    await parts.votes.cast(turn.answer_id, Opinion(Vote.DOWN, comment=f"Call {PHONE}"), owner=ADA)
    fresh = Masking(find_here, parts.store, parts.shelf)
    turns = Turns(parts.store, engine, parts.rollout, metrics=parts.metrics, mask=fresh.turn)
    name = turn.conversation.conversation_id
    again = await turns.begin_chat(
        bot, owner=ADA, conversation_id=name, text="And bob@engines.example, +49 151 9876 5432?"
    )
    async with aclosing(turns.answer(again)) as deltas:
        async for _ in deltas:
            pass
    assert (await recorded(parts, turn))[2] == "And [EMAIL_2], [PHONE_2]?"


def scored_talk(value: str) -> dict[str, Any]:
    """What an export of ours tells of a talk of two messages, both scored, and the whole of it."""
    when = "2026-03-01T12:00:00Z"
    score = {"voter": ADA, "name": f"asked by {value}", "value": value, "said_at": when}
    said = [{"message_id": name, "source": "chat", "created_at": when, "scores": [score]} for name in "qa"]
    about = {
        "bot": "support",
        "conversation_id": "kept",
        "owner": ADA,
        "source": "chat",
        "title": "",
        "created_at": when,
    }
    return about | {"messages": said, "scores": [score]}


async def test_no_byte_of_the_data_folder_holds_what_a_person_gave_away(
    parts: Parts, bot: Bot, client: httpx.AsyncClient, operator: httpx.AsyncClient
) -> None:
    turn, _ = await ask(parts, bot, f"{MAIL} asks: was {CARD} charged?")
    say = partial(Opinion, Vote.DOWN, (f"ask {PHONE}",), f"Call {PHONE}", f"Yes, {MAIL}, it was.")
    await parts.votes.cast(turn.answer_id, say(scores={f"asked by {MAIL}": MAIL}), owner=ADA)
    await parts.votes.score(turn.conversation.conversation_id, {f"asked by {MAIL}": MAIL}, owner=ADA)
    place = Place(ADA, "support", turn.conversation.conversation_id)
    await OwnChats(parts.turns, parts.store, parts.masking).rename(place, f"About {MAIL}")
    told = [
        {"role": "system", "content": f"You talk to {MAIL}."},
        {"role": "user", "content": f"I am {MAIL}"},
        {"role": "assistant", "content": f"Hello {MAIL}"},
        {"role": "user", "content": f"Now call {PHONE}"},
    ]
    said = await client.post("/v1/chat/completions", json={"model": "support", "messages": told})
    assert PHONE in said.json()["choices"][0]["message"]["content"]
    lines: Sequence[dict[str, Any]] = (
        {"messages": told[:3]},
        {"question": f"Who is {MAIL}?", "answer": f"{PHONE} is."},
        {"prompt": f"I am {MAIL}", "completion": "Hello", "label": True},
        {
            "id": "t1",
            "timestamp": "",
            "input": "Who?",
            "output": "Ada.",
            "scores": [{"name": f"by {MAIL}", "source": "EVAL", "dataType": "CATEGORICAL", "stringValue": MAIL}],
        },
        {
            "traceId": "t1",
            "name": f"to {PHONE}",
            "source": "EVAL",
            "dataType": "CATEGORICAL",
            "stringValue": f"by {PHONE}",
        },
        {"messages": told[1:3], "metadata": {"record": scored_talk(MAIL)}},
        {"prompt": [told[1]], "chosen": [told[2]], "rejected": [{"role": "assistant", "content": f"No {CARD}"}]},
    )
    body = "\n".join(map(json.dumps, lines))
    brought = await operator.post("/ops/import", params={"bot": "support"}, content=body)
    assert (brought.status_code, brought.json()["bad_lines"]) == (200, [])
    assert brought.json()["scores"] == 2
    again = await operator.post("/ops/import", params={"bot": "support"}, content=body)
    assert again.json()["imported"] == 0, "the same import brings the same"
    await correct(parts, f"Write to {MAIL}, {SHOP} answers.")
    await ask(parts, parts.shelf.find("reviewer"), "I am eve@unmasked.example")

    folder = parts.home.root
    assert holds(folder, "eve@unmasked.example"), "what is kept as it was said is found so"
    assert [text for text in (MAIL, CARD, PHONE) if holds(folder, text)] == []
    await parts.store.fold()
    assert [text for text in (MAIL, CARD, PHONE) if holds(folder, text)] == []
    opinion = await parts.store.read(partial(feedback_of, message_id=turn.answer_id, voter=ADA))
    assert opinion is not None
    assert (opinion.comment, opinion.ideal_answer) == ("Call [PHONE_1]", "Yes, [EMAIL_1], it was.")
    kept = await parts.store.read(partial(scores_in, conversation_id=turn.conversation.conversation_id))
    assert [(score.name, score.value) for score in kept] == [("asked by [EMAIL_1]", "[EMAIL_1]")] * 2
    back = await parts.store.read(partial(scores_in, conversation_id="kept"))
    assert [(score.name, score.value) for score in back] == [("asked by [EMAIL_1]", "[EMAIL_1]")] * 3


def test_a_measure_is_not_taken_for_somebodys_name() -> None:
    said = rewrite_opinion(Opinion(scores={"Helpfulness": 0.5, f"by {MAIL}": True}), lambda _: "[WHO]")
    assert said.scores == {"Helpfulness": 0.5, "[WHO]": True}


async def test_a_score_that_the_bots_file_declares_keeps_its_name(parts: Parts, bot: Bot, bots_folder: Path) -> None:
    file = bots_folder / "support.toml"
    file.write_text(file.read_text() + f'[feedback.scores."known to {MAIL}"]\ntype = "boolean"\n')
    parts.shelf.look()
    turn, _ = await ask(parts, bot, "Was I charged?")
    word = await parts.votes.score(turn.conversation.conversation_id, {f"known to {MAIL}": True}, owner=ADA)
    assert list(word.scores) == [f"known to {MAIL}"]


async def test_no_byte_of_the_data_folder_holds_a_name_where_names_are_masked(parts: Parts) -> None:
    turn, read = await ask(parts, parts.shelf.find("nameless"), "My name is Hannah Okafor. Where is my parcel?")
    assert "Hannah Okafor" in read
    comment = Opinion(Vote.DOWN, comment="Please ask Hannah Okafor again.")
    await parts.votes.cast(turn.answer_id, comment, owner=ADA)
    kept = "My name is [NAME_1]. Where is my parcel?"
    assert await recorded(parts, turn) == [kept, f"[echo base] {kept}"]
    opinion = await parts.store.read(partial(feedback_of, message_id=turn.answer_id, voter=ADA))
    assert opinion is not None
    assert opinion.comment == "Please ask [NAME_1] again."
    for _ in ("in the log", "in the file"):
        assert not any(holds(parts.home.root, name) for name in ("Hannah", "Okafor"))
        await parts.store.fold()


async def test_an_erased_conversation_s_placeholders_stand_for_nothing_any_more(parts: Parts, bot: Bot) -> None:
    turn, _ = await ask(parts, bot, f"I am {MAIL}.")
    name = turn.conversation.conversation_id
    await parts.eraser.erase("conversation", name, actor="boss", reason="", at_once=False)
    about = partial(parts.masking.text, bot=SUPPORT, conversation_id=name)
    assert await about("bob@engines.example") == "[EMAIL_1]", "as if nothing had been said there"


async def test_nor_does_what_an_erased_person_said_in_another_s_conversation(parts: Parts, bot: Bot) -> None:
    turn, _ = await ask(parts, bot, "Hello.")
    about = partial(parts.masking.text, bot=SUPPORT, conversation_id=turn.conversation.conversation_id)
    said = Opinion(Vote.DOWN, comment=await about(f"Call {PHONE}"))
    keep = partial(record_opinion, message_id=turn.answer_id, voter="browser:bob", opinion=said, at=utc_now())
    await parts.store.write(keep)
    await parts.eraser.erase("user", "browser:bob", actor="boss", reason="", at_once=False)
    assert await about("+49 151 9876 5432") == "[PHONE_1]"


async def correct(parts: Parts, text: str) -> None:
    """An operator's own text in the place of the newest disliked answer."""
    handlers = ConsoleHandlers(
        store=parts.store, rollout=parts.rollout, nights=parts.nights, shelf=parts.shelf, home=parts.home,
        golden=parts.golden, masking=parts.masking,
    )  # fmt: skip
    rows = await handlers.rows("support", "down")
    [row] = [row for row in rows if isinstance(row, FeedbackRow) and row.feedback.voter == ADA]
    review = await handlers.review(shown_of(row), approved_text=text, actor="boss")
    assert review.corrected_answer == f"Write to [EMAIL_1], {SHOP} answers."


async def test_a_caller_s_history_is_known_again_though_the_record_holds_placeholders(
    parts: Parts, client: httpx.AsyncClient
) -> None:
    told = [{"role": "user", "content": f"I am {MAIL}"}]
    first = await client.post("/v1/chat/completions", json={"model": "support", "messages": told})
    told += [first.json()["choices"][0]["message"], {"role": "user", "content": "And now?"}]
    await client.post("/v1/chat/completions", json={"model": "support", "messages": told})
    counts = await parts.store.read(
        lambda cursor: cursor.execute("select count(distinct conversation_id), count(*) from messages").fetchone()
    )
    assert counts == (1, 4)


async def test_nothing_is_kept_where_nobody_can_say_what_is_personal(parts: Parts, bot: Bot, engine: Engine) -> None:
    async def fail(texts: Sequence[str], *, names: bool) -> list[list[Span]]:
        raise Unavailable("could not be looked for", subject="personal data", remedy="Try again.")

    masking = Masking(fail, parts.store, parts.shelf)
    turns = Turns(parts.store, engine, parts.rollout, metrics=parts.metrics, mask=masking.turn)
    turn = await turns.begin_chat(bot, owner=ADA, conversation_id=None, text=f"I am {MAIL}")
    async with aclosing(turns.answer(turn)) as deltas:
        with pytest.raises(Unavailable, match="personal data"):
            [delta async for delta in deltas]
    assert not holds(parts.home.root, MAIL)
    assert await recorded(parts, turn) == []
