"""A night's report goes to a webhook and into a folder of e-mails; what fails is told and ends nothing."""

import asyncio
import email
import email.policy
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path

import pytest

from collect import cycles
from collect.holds import Hold, arm_hold
from collect.store import Cursor, Store
from deploy.plan import NightFolder
from deploy.sinks import Missed, Sink, read_key, send, sign
from deploy.telling import Letter, leave_pages, send_letter
from nightschool.bots import BotShelf
from nightschool.errors import RecordError, Unavailable
from nightschool.home import Home
from nightschool.morning_part import MorningPart
from nightschool.records import BotName, Cycle, CycleState, Outcome

from .test_nights import BOT, NOW, MakeRunner, make_runner, shelf

__all__ = ["make_runner", "shelf"]

AT = datetime(2026, 3, 10, 3, tzinfo=UTC)
CYCLE = Cycle(
    "c7", BotName("support"), "schedule", None, CycleState.DONE, "finished", 1.0, AT, finished_at=AT, candidate=3,
    outcome=Outcome.REJECT, reasons=("failed: ü",), figures_json='{"gain_mean": 0.1}',
)  # fmt: skip
LETTER = Letter(
    CYCLE, "It did not pass.", "support@2", ("2 suggested answers wait.",), "# Page\n\nWörter\n.\nFrom me\n"
)
PARCEL = LETTER.as_parcel()


@asynccontextmanager
async def hook(
    statuses: Sequence[int], bodies: list[bytes], *, heads: list[str] | None = None, hangs: bool = False
) -> AsyncIterator[str]:
    """A webhook that answers with each of `statuses` in turn, and keeps what it was sent."""
    left = iter(statuses)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        if heads is not None:
            heads.append(head)
        length = int(head.lower().split("content-length: ")[1].split("\r\n")[0])
        bodies.append(await reader.readexactly(length))
        if not hangs:
            status = next(left)
            writer.write(f"HTTP/1.1 {status} So\r\nlocation: /other\r\ncontent-length: 0\r\n\r\n".encode())
            await writer.drain()
        else:
            await reader.read()
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hook"


async def test_the_webhook_gets_the_whole_report(tmp_path: Path) -> None:
    bodies: list[bytes] = []
    async with hook([204], bodies) as url:
        assert await send(MorningPart(webhook=url), PARCEL) == []
    [body] = map(json.loads, bodies)
    assert (body["cycle"], body["outcome"], body["candidate"], body["live"]) == (
        "c7", "reject", "support@3", "support@2",
    )  # fmt: skip
    assert (body["reasons"], body["needs_a_person"]) == (["failed: ü"], ["2 suggested answers wait."])
    assert body["figures"] == {"gain_mean": 0.1}


@pytest.mark.parametrize(
    ("statuses", "asked", "told"),
    [
        ([500, 503, 200], 3, None),
        ([429, 204], 2, None),
        ([500, 500, 500], 3, "answered 500"),
        ([404], 1, "answered 404"),
        ([302], 1, "answered 302"),
    ],
)
async def test_what_may_pass_is_tried_again_within_bounds(statuses: list[int], asked: int, told: str | None) -> None:
    bodies: list[bytes] = []
    async with hook(statuses, bodies) as url:
        missed = await send(MorningPart(webhook=url), PARCEL, pause_s=0)
    assert len(bodies) == asked
    assert missed == ([Missed(Sink.WEBHOOK, told)] if told else [])


async def test_a_webhook_that_hangs_or_is_gone_costs_its_timeout_and_no_more() -> None:
    bodies: list[bytes] = []
    async with hook([], bodies, hangs=True) as url:
        [hung] = await send(MorningPart(webhook=url, timeout_s=0.1, tries=2), PARCEL, pause_s=0)
    assert "after 2 tries" in hung.why
    assert len(bodies) == 2
    [gone] = await send(MorningPart(webhook=url, tries=1), PARCEL)
    assert "ConnectError after 1 tries" in gone.why


async def test_what_is_posted_is_signed_as_standard_webhooks_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    # The published example of that specification.
    monkeypatch.setenv("HOOK_KEY", "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD")
    body = b'{"email":"test@example.com","username":"test_user"}'
    signed = sign("msg_27UH4WbU6Z5A5EzD8u03UvzRbpk", sent_at_s=1649367553, body=body, key=read_key("HOOK_KEY"))
    assert signed == "v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw="
    bodies: list[bytes] = []
    heads: list[str] = []
    async with hook([204], bodies, heads=heads) as url:
        assert await send(MorningPart(webhook=url, key_variable="HOOK_KEY"), PARCEL) == []
    sent = dict(line.split(": ", 1) for line in heads[0].splitlines()[1:] if line)
    key = read_key("HOOK_KEY")
    assert sent["webhook-id"] == "c7"
    assert sent["webhook-signature"] == sign("c7", sent_at_s=int(sent["webhook-timestamp"]), body=bodies[0], key=key)


@pytest.mark.parametrize(("key", "told"), [("", "is not set"), ("whsec_!", "is no base64")])
async def test_a_webhook_is_not_asked_unsigned_where_it_is_to_be_signed(
    monkeypatch: pytest.MonkeyPatch, key: str, told: str
) -> None:
    monkeypatch.setenv("HOOK_KEY", key)
    bodies: list[bytes] = []
    async with hook([], bodies) as url:
        [missed] = await send(MorningPart(webhook=url, key_variable="HOOK_KEY"), PARCEL)
    assert bodies == []
    assert "HOOK_KEY" in missed.why
    assert told in missed.why


async def test_a_sink_that_has_it_already_is_passed_over(tmp_path: Path) -> None:
    part = MorningPart(webhook="http://127.0.0.1:9/hook", mail_folder=str(tmp_path / "out"))
    assert await send(part, PARCEL, without={Sink.WEBHOOK}) == []
    assert len(list((tmp_path / "out").iterdir())) == 1
    assert await send(part, PARCEL, without=set(Sink)) == []


async def test_an_e_mail_is_left_once_and_a_mailer_can_read_it(tmp_path: Path) -> None:
    part = MorningPart(mail_folder=str(tmp_path / "out"), mail_to="boss@shop.example")
    for _ in range(2):
        assert await send(part, PARCEL) == []
    [file] = (tmp_path / "out").iterdir()
    assert file.name == "support-2026-03-10-c7.eml"
    mail = email.message_from_bytes(file.read_bytes(), policy=email.policy.default)
    assert (mail["to"], mail["subject"]) == ("boss@shop.example", "support: reject in the night of 2026-03-10")
    body = mail.get_body()
    assert body is not None
    assert body.get_content() == LETTER.page


async def test_what_was_not_sent_stands_on_the_morning_page(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    (tmp_path / "bots").mkdir()
    order = 'name = "support"\ntitle = "Fern"\nsystem_prompt = "Help."\n'
    order += f'[privacy]\nmask = "off"\n[morning]\nmail_folder = "{tmp_path}/file/out"\n'
    (tmp_path / "bots" / "support.toml").write_text(order)
    await send_letter(BotShelf(tmp_path / "bots"), NightFolder(tmp_path), LETTER)
    page = (tmp_path / "morning.md").read_text()
    assert page.startswith(LETTER.page)
    assert "## Not sent\n\n- The e-mail cannot be left in " in page


@pytest.mark.parametrize(
    ("goes", "state", "outcome", "subject"),
    [
        ("well", "done", "insufficient-data", "support: insufficient-data in the night of 2026-03-10"),
        ("wrong", "failed", None, "support: failed in the night of 2026-03-10"),
        ("nowhere", "failed", None, "support: failed in the night of 2026-03-09"),
    ],
)
async def test_every_night_that_ends_or_cannot_begin_is_told_to_each_sink(
    make_runner: MakeRunner,
    shelf: BotShelf,
    home: Home,
    *,
    goes: str,
    state: str,
    outcome: str | None,
    subject: str,
) -> None:
    bodies: list[bytes] = []
    async with hook([204], bodies) as url:
        file = home.root / "bots" / "support.toml"
        file.write_text(f'{file.read_text()}[morning]\nwebhook = "{url}"\nmail_folder = "{home.root}/out"\n')
        shelf.look()
        runner = make_runner(min_free_gib=1e9 if goes == "nowhere" else 0)
        if goes == "nowhere":
            with pytest.raises(Unavailable):
                await runner.claim(BOT, trigger="schedule", actor="schedule", local_date=date(2026, 3, 9))
        else:
            cycle = await runner.claim(BOT, trigger="operator", actor="ada")
            if goes == "wrong":
                (home.cycle(BOT, cycle.cycle_id) / "snapshot").write_text("in the way")
            await runner.run(cycle)
    [told] = map(json.loads, bodies)
    assert (told["bot"], told["state"], told["outcome"], told["live"]) == ("support", state, outcome, "support@base")
    assert told["finished_at"] == NOW.isoformat()
    [left] = (home.root / "out").iterdir()
    mail = email.message_from_bytes(left.read_bytes(), policy=email.policy.default)
    assert mail["subject"] == subject
    assert mail["message-id"] == f"<{told['cycle']}@nightschool.invalid>"


async def test_a_night_whose_end_the_record_does_not_take_is_told_all_the_same(
    make_runner: MakeRunner, shelf: BotShelf, store: Store, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    bodies: list[bytes] = []
    write = store.write

    async def full(change: Callable[[Cursor], None]) -> None:
        if not bodies:
            raise RecordError("could not do that", subject="record", remedy="Free disk space.")
        await write(change)

    async with hook([204], bodies) as url, asyncio.timeout(20):
        file = home.root / "bots" / "support.toml"
        file.write_text(f'{file.read_text()}[morning]\nwebhook = "{url}"\n')
        shelf.look()
        runner = make_runner()
        cycle = await runner.claim(BOT, trigger="operator", actor="ada")
        monkeypatch.setattr(store, "write", full)
        await runner.run(cycle)
    [told] = map(json.loads, bodies)
    assert told["reasons"] == ["record: could not do that. Free disk space."]
    kept = await store.read(partial(cycles.cycle, cycle_id=cycle.cycle_id))
    assert kept.state is CycleState.FAILED


async def test_a_server_that_is_killed_as_it_tells_tells_again_once_it_is_back(
    make_runner: MakeRunner, shelf: BotShelf, store: Store, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    bodies: list[bytes] = []
    write = store.write

    async def die(change: Callable[[Cursor], None]) -> None:
        if bodies:
            raise Killed
        await write(change)

    async with hook([204, 204], bodies) as url:
        file = home.root / "bots" / "support.toml"
        file.write_text(f'{file.read_text()}[morning]\nwebhook = "{url}"\n')
        shelf.look()
        runner = make_runner()
        cycle = await runner.claim(BOT, trigger="operator", actor="ada")
        with monkeypatch.context() as patched:
            patched.setattr(store, "write", die)
            with pytest.raises(Killed):
                await runner.run(cycle)
        [left] = await make_runner().interrupted()
        await make_runner().run(left)
    first, again = map(json.loads, bodies)
    assert first == again
    assert first["cycle"] == cycle.cycle_id


async def test_the_morning_page_says_who_answers_and_what_wants_a_person(store: Store, tmp_path: Path) -> None:
    hold = Hold(BotName("support"), "key:boss", "it was rude", AT)
    await store.write(partial(arm_hold, hold=hold))
    ended = replace(CYCLE, outcome=Outcome.HOLD)
    letter = await leave_pages(store, NightFolder(tmp_path / "night"), ended)
    assert letter is not None
    page = (tmp_path / "night" / "morning.md").read_text()
    assert page == letter.page
    assert "support@base answers now." in page
    for need in ("support@3 passed and is held", "held by key:boss (it was rude)"):
        assert any(need in told for told in letter.needs)
        assert need in page
    assert page.index("## What needs a person") < page.index("## Why")


async def test_a_disk_that_takes_no_page_ends_nothing(store: Store, tmp_path: Path) -> None:
    (tmp_path / "night").write_text("in the way")
    assert await leave_pages(store, NightFolder(tmp_path / "night"), CYCLE) is None
