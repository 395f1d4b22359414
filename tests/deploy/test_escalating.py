"""Who asks for a person is heard once it is kept, whatever the ways out of the machine do meanwhile."""

import asyncio
import email
import email.policy
import json
import shutil
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest

from collect.conversations import record_turn
from collect.erase import Wish as Erasing
from collect.erase import erase_rows
from collect.escalations import Escalation, Wish, escalate, unsent
from collect.store import Store, open_store
from deploy.escalating import Escalations, parcel_of
from deploy.sinks import send
from nightschool.bots import BotShelf
from nightschool.escalation_part import EscalationPart
from nightschool.records import BotName, Conversation, Message, Source

from .test_sinks import hook

AT = datetime(2026, 3, 10, 14, 3, tzinfo=UTC)
BOT = BotName("support")
TALK = Conversation("c1", BOT, "browser:ada", Source.CHAT, "Where?", AT)
ASKED = Message("m1", "c1", BOT, None, "user", "Wo ist <b>meins</b>?\nFrom me", Source.CHAT, AT)
SAID = Message("m2", "c1", BOT, "m1", "assistant", "Here.", Source.CHAT, AT, version=3)
WISH = Wish("e1", "c1", BOT, "m2", "ada@example.org", AT)
ROOT = Path(__file__).parents[2]
ESCALATE_AND_HANG = """
import asyncio, sys
from pathlib import Path
from collect.escalations import Wish
from collect.store import open_store
from deploy.escalating import Escalations
from nightschool.bots import BotShelf
from nightschool.records import BotName, utc_now

async def main():
    folder = Path(sys.argv[1])
    async with open_store(folder / "record.duckdb", temp=folder / "temp", memory_gib=0.5, threads=1) as store:
        escalations = Escalations(store, BotShelf(folder / "bots"))
        going = asyncio.create_task(escalations.keep_going())
        await escalations.escalate(Wish("e1", "c1", BotName("support"), "m2", "", utc_now()), wait_s=0.3)
        print("kept", flush=True)
        await going

asyncio.run(main())
"""


@pytest.fixture
async def talked(store: Store) -> Store:
    await store.write(partial(record_turn, conversation=TALK, messages=[ASKED, SAID]))
    return store


@pytest.fixture
def shelf_of(tmp_path: Path) -> Callable[[str], BotShelf]:
    """Of one bot, with what its file says under [escalation]."""

    def make(section: str) -> BotShelf:
        (tmp_path / "bots").mkdir(exist_ok=True)
        order = 'name = "support"\ntitle = "Fern"\nsystem_prompt = "Help."\n[privacy]\nmask = "off"\n'
        (tmp_path / "bots" / "support.toml").write_text(f"{order}[escalation]\n{section}\n")
        return BotShelf(tmp_path / "bots")

    return make


@asynccontextmanager
async def going(escalations: Escalations) -> AsyncIterator[Escalations]:
    work = asyncio.create_task(escalations.keep_going())
    try:
        yield escalations
    finally:
        work.cancel()
        with suppress(asyncio.CancelledError):
            await work


async def until_sent(escalations: Escalations) -> Escalation:
    async with asyncio.timeout(10):
        while True:
            found = await escalations.of("c1")
            if found and found.sent_at:
                return found
            await asyncio.sleep(0.01)


async def test_both_ways_get_the_conversation_word_for_word_and_the_contact(
    talked: Store, shelf_of: Callable[[str], BotShelf], tmp_path: Path
) -> None:
    bodies: list[bytes] = []
    async with hook([204], bodies) as url:
        shelf = shelf_of(f'webhook = "{url}"\nmail_folder = "{tmp_path}/out"\nmail_to = "team@shop.example"')
        async with going(Escalations(talked, shelf)) as escalations:
            sent = await escalations.escalate(WISH)
            again = await escalations.escalate(replace(WISH, escalation_id="e2"))
    assert sent.sent_at is not None
    assert (sent.taken_by, sent.tries, sent.problem) == (frozenset({"webhook", "e-mail"}), 1, "")
    assert again == sent
    [body] = map(json.loads, bodies)
    assert (body["escalation"], body["conversation"], body["contact"]) == ("e1", "c1", "ada@example.org")
    assert [(one["role"], one["content"]) for one in body["messages"]] == [
        ("user", ASKED.content), ("assistant", "Here."),
    ]  # fmt: skip
    [file] = (tmp_path / "out").iterdir()
    mail = email.message_from_bytes(file.read_bytes(), policy=email.policy.default)
    assert (mail["to"], mail["reply-to"]) == ("team@shop.example", "ada@example.org")
    text = mail.get_body()
    assert text is not None
    assert f"Visitor (2026-03-10 14:03 UTC):\n{ASKED.content}\n\nFern (2026" in text.get_content()


async def test_what_a_way_did_not_take_is_told_and_sent_again_and_the_other_way_has_it_once(
    talked: Store, shelf_of: Callable[[str], BotShelf], tmp_path: Path
) -> None:
    bodies: list[bytes] = []
    async with hook([503, 503, 204], bodies) as url:
        shelf = shelf_of(f'webhook = "{url}"\ntries = 1\nmail_folder = "{tmp_path}/out"')
        async with going(Escalations(talked, shelf, first_pause_s=0.1)) as escalations:
            kept = await escalations.escalate(WISH)
            assert (kept.sent_at, kept.taken_by, kept.problem) == (
                None,
                frozenset({"e-mail"}),
                "The webhook answered 503",
            )
            [file] = (tmp_path / "out").iterdir()
            file.unlink()
            sent = await until_sent(escalations)
    assert (sent.tries, sent.problem) == (3, "")
    assert list((tmp_path / "out").iterdir()) == []


async def test_a_wish_that_was_kept_and_not_sent_is_sent_at_the_next_start(
    talked: Store, shelf_of: Callable[[str], BotShelf], tmp_path: Path
) -> None:
    await talked.write(partial(escalate, wish=WISH))
    async with going(Escalations(talked, shelf_of(f'mail_folder = "{tmp_path}/out"'))) as escalations:
        await until_sent(escalations)
    assert [file.name for file in (tmp_path / "out").iterdir()] == ["support-escalation-e1.eml"]


async def test_what_was_kept_when_the_server_was_killed_is_told_after_the_next_start_and_once(
    blank_record: Path, shelf_of: Callable[[str], BotShelf], tmp_path: Path
) -> None:
    file = shutil.copyfile(blank_record, tmp_path / "record.duckdb")
    opening = partial(open_store, file, temp=tmp_path / "temp", memory_gib=0.5, threads=1)
    async with opening() as store:
        await store.write(partial(record_turn, conversation=TALK, messages=[ASKED, SAID]))
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        shelf_of(f'webhook = "http://127.0.0.1:{deaf.getsockname()[1]}"\nmail_folder = "{tmp_path}/out"')
        command = [sys.executable, "-c", ESCALATE_AND_HANG, str(tmp_path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as server:
            assert server.stdout
            assert await asyncio.to_thread(server.stdout.readline) == "kept\n"
            server.kill()
    assert not (tmp_path / "out").exists()
    bodies: list[bytes] = []
    async with hook([204, 204], bodies) as url:
        shelf = shelf_of(f'webhook = "{url}"\nmail_folder = "{tmp_path}/out"')
        for _ in range(2):
            async with opening() as store, going(Escalations(store, shelf)) as escalations:
                assert (await until_sent(escalations)).taken_by == {"webhook", "e-mail"}
                assert not await store.read(unsent)
    assert [json.loads(body)["escalation"] for body in bodies] == ["e1"]
    assert [left.name for left in (tmp_path / "out").iterdir()] == ["support-escalation-e1.eml"]


async def test_a_way_that_hangs_keeps_nobody_waiting_for_long(
    talked: Store, shelf_of: Callable[[str], BotShelf]
) -> None:
    bodies: list[bytes] = []
    async with (
        hook([], bodies, hangs=True) as url,
        going(Escalations(talked, shelf_of(f'webhook = "{url}"'))) as escalations,
    ):
        kept = await escalations.escalate(WISH, wait_s=0.1)
    assert (kept.sent_at, kept.tries, kept.problem) == (None, 0, "")


async def test_what_was_erased_meanwhile_is_not_sent(
    talked: Store, shelf_of: Callable[[str], BotShelf], tmp_path: Path
) -> None:
    (tmp_path / "out").write_text("in the way")
    async with going(Escalations(talked, shelf_of(f'mail_folder = "{tmp_path}/out"'), first_pause_s=0.1)) as going_on:
        assert (await going_on.escalate(WISH)).tries == 1
        await talked.write(partial(erase_rows, wish=Erasing("w", "conversation", "c1", "whose it was", "", AT)))
        (tmp_path / "out").unlink()
        await asyncio.sleep(0.2)
    assert not (tmp_path / "out").exists()


async def test_a_bot_that_names_nobody_any_more_keeps_the_wish(
    talked: Store, shelf_of: Callable[[str], BotShelf]
) -> None:
    async with going(Escalations(talked, shelf_of(""))) as escalations:
        kept = await escalations.escalate(WISH)
    assert (kept.sent_at, kept.problem) == (None, "The bot's file names nobody under [escalation]")


@pytest.mark.parametrize(
    "contact", ["", "ada@example.org", "ä@müller.example", "a..b@c", "=?utf-8?q?x?=@c", "a@b" * 80]
)
async def test_an_e_mail_can_be_made_of_any_contact(tmp_path: Path, contact: str) -> None:
    parcel = parcel_of(replace(WISH, contact=contact), [ASKED, SAID], title="Fern")
    assert await send(EscalationPart(mail_folder=str(tmp_path)), parcel) == []
    [file] = tmp_path.iterdir()
    mail = email.message_from_bytes(file.read_bytes(), policy=email.policy.default)
    assert mail["subject"] == "support: somebody asks for a person"
    text = mail.get_body()
    assert text is not None
    assert (contact or "They left no address") in text.get_content()
