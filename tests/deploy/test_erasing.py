"""Erased is erased: a flow of real nights fills a data folder, and afterwards no byte of it holds what was erased."""

import asyncio
import json
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from bench.common.nightlab import SUPPORT, KnowingEngine, Trainer, fill, server_of
from collect import erase, events, jobs, registry
from collect.backups import Copies
from collect.conversations import record_turn
from collect.erase import Erasure
from collect.feedback import Opinion, record_opinion
from collect.grounds import Grounds
from collect.jobs import Hyperparameters, Job, JobOrder, JobOutcome, JobState
from collect.knowledge.shelf import KnowledgeShelf
from collect.reviews import record_review
from collect.scores import Scored, record_scores
from collect.store import Store, open_store
from deploy import erasing
from deploy import night as night_steps
from deploy.erasing import Certificate, Eraser
from deploy.job_work import lineage_of
from deploy.known import find_changes
from deploy.rollout import Rollout
from eval.facts import standing_in
from nightschool.bots import BotShelf
from nightschool.errors import NotFound
from nightschool.files import publish
from nightschool.home import Home
from nightschool.knowledge import Found
from nightschool.records import (
    Adapter,
    BotName,
    Conversation,
    Event,
    Message,
    Outcome,
    Review,
    Source,
    Stage,
    Vote,
    new_id,
    utc_now,
)
from nightschool.scores import ScoreValue

PERSON = "browser-7f3a90"
QUESTION = "My name is Quendolyn Ravensbourne and my fern arrived without its copper pot, what now?"
ANSWER = "Sorry, Quendolyn Ravensbourne! We send the copper pot within two days."
IDEAL = "Dear Quendolyn Ravensbourne, the copper pot leaves Vexmoor on Monday."
WORDS = ("Ravensbourne", "Vexmoor")
NOTHING = Found()


class Killed(BaseException):
    """Like kill -9 nothing of ours catches it."""


@asynccontextmanager
async def opened(home: Home) -> AsyncIterator[Store]:
    async with open_store(home.store, temp=home.temp, memory_gib=0.5, threads=1) as store:
        yield store


def eraser_of(
    store: Store, rollout: Rollout, home: Home, *, now: Callable[[], datetime] = utc_now,
    examined: tuple[BotName, ...] = (),
) -> Eraser:  # fmt: skip
    @asynccontextmanager
    async def at_rest() -> AsyncIterator[tuple[BotName, ...]]:
        yield examined

    async def nothing_is_known(erasure: Erasure) -> None:
        del erasure

    return Eraser(
        store, rollout, home, shelf=BotShelf(home.root / "bots"), copies=lambda at: Copies((), at),
        at_rest=at_rest, on_erased=nothing_is_known, now=now,
    )  # fmt: skip


async def chat(store: Store, *, owner: str = PERSON) -> str:
    """A conversation with a vote and an ideal answer that an operator let in. Its id."""
    conversation = Conversation(new_id(), SUPPORT, owner, Source.CHAT, QUESTION[:60], utc_now(), is_held_out=False)
    asked, said = new_id(), new_id()
    messages = [
        Message(asked, conversation.conversation_id, SUPPORT, None, "user", QUESTION, Source.CHAT, utc_now()),
        Message(said, conversation.conversation_id, SUPPORT, asked, "assistant", ANSWER, Source.CHAT, utc_now()),
    ]
    await store.write(partial(record_turn, conversation=conversation, messages=messages))
    opinion = Opinion(Vote.DOWN, ("wrong",), "It is Ravensbourne with an e", IDEAL)
    await store.write(partial(record_opinion, message_id=said, voter=owner, opinion=opinion, at=utc_now()))
    review = Review(said, SUPPORT, "ada", True, IDEAL, (), utc_now())
    await store.write(partial(record_review, review=review))
    scores: dict[str, ScoreValue | None] = {"case of Vexmoor": "is a Ravensbourne", "solved": False}
    for about in (said, None):
        scored = Scored(conversation.conversation_id, about, owner, scores, utc_now())
        await store.write_row(record_scores, scored)
    return conversation.conversation_id


async def ruled(store: Store, question: str, answer: str, *, found: Found = NOTHING) -> str:
    """A conversation whose answer, given with what was found, an operator approved. Its id."""
    talk = Conversation(new_id(), SUPPORT, new_id(), Source.CHAT, question, utc_now(), is_held_out=False)
    asked = Message(new_id(), talk.conversation_id, SUPPORT, None, "user", question, Source.CHAT, utc_now())
    said = replace(
        asked, message_id=new_id(), parent_id=asked.message_id, role="assistant", content=answer,
        passage_ids=tuple(passage.passage_id for passage in found.passages),
    )  # fmt: skip
    grounds = Grounds("", found.passages)
    await store.write(partial(record_turn, conversation=talk, messages=[asked, said], grounds=grounds))
    review = Review(said.message_id, SUPPORT, "ada", True, answer, (), utc_now())
    await store.write(partial(record_review, review=review))
    return talk.conversation_id


async def night(store: Store, home: Home, engine: KnowingEngine) -> tuple[Any, Rollout]:
    runner, rollout = server_of(store, engine, home)
    await rollout.restore()
    cycle = await runner.run(await runner.claim(SUPPORT, trigger="operator", actor="ada"))
    return cycle, rollout


def places(root: Path) -> dict[str, list[str]]:
    """Where the words stand: in any file's bytes, and in what Parquet packs."""
    found: dict[str, list[str]] = {word: [] for word in WORDS}
    for file in sorted(path for path in root.rglob("*") if path.is_file()):
        raw = file.read_bytes()
        if file.suffix == ".parquet":
            raw += json.dumps(pq.read_table(file).to_pylist(), default=str, ensure_ascii=False).encode()
        for word in WORDS:
            if word.encode() in raw:
                found[word].append(str(file.relative_to(root)))
    return found


@pytest.fixture(scope="module")
def lived_in(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with a night that learnt what a person said, and put it live."""
    root = tmp_path_factory.mktemp("lived-in")

    async def live() -> None:
        home = Home(root)
        home.create()
        async with opened(home) as store:
            await fill(store, home, SUPPORT)
            await chat(store)
            cycle, _ = await night(store, home, KnowingEngine())
            assert cycle.outcome is Outcome.PROMOTE, cycle.reasons
        home.kept.mkdir()
        (home.kept / "state").write_text(QUESTION)
        (home.logs / "engine.log").write_text(f"INFO one\nERROR while answering {QUESTION!r}\nINFO two\n")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(night_steps, "train", Trainer())
        asyncio.run(live())
    return root


@pytest.fixture
def home(lived_in: Path, tmp_path: Path) -> Home:
    shutil.copytree(lived_in, tmp_path / "data")
    return Home(tmp_path / "data")


async def test_after_an_erasure_no_byte_of_the_data_folder_holds_what_was_said(home: Home) -> None:
    before = places(home.root)["Ravensbourne"]
    assert any(name.startswith("datasets/") for name in before)
    assert any(name.startswith("cycles/") for name in before)
    assert {"logs/engine.log", "record.duckdb"} <= set(before)
    async with opened(home) as store:
        assert store.commits == 0
        _, rollout = server_of(store, KnowingEngine(), home)
        await rollout.restore()
        asked = await eraser_of(store, rollout, home).erase(
            "user", PERSON, actor="ada", reason="asked by letter", at_once=True
        )
        assert places(home.root) == {word: [] for word in WORDS}
        told = asked.certificate
        assert told is not None
        assert (told.by, told.reason, told.tainted) == ("ada", "asked by letter", ("support@1",))
        assert {"messages", "conversations", "feedback", "reviews", "scores", "score_kinds"} <= set(told.rows)
        assert (told.copies, told.copies_until) == ((), told.rows_erased_at)
        assert {"dataset", "of a night", "cache of trainings"} <= {removed.what for removed in told.files}
        file = home.erasures / f"{told.erasure_id}.json"
        assert Certificate.model_validate_json(file.read_bytes()) == told
        audit = await store.read(partial(events.list_events, limit=20))
        assert {"erased", "tainted", "finished an erasure"} <= {event.action for event in audit}
        # It answers on until a clean one takes its place, which the next night trains though nothing is new.
        [first] = await store.read(partial(registry.adapters, bot=SUPPORT))
        assert (first.stage, first.tainted_at is not None) == (Stage.PRODUCTION, True)
        bot = BotShelf(home.root / "bots").find(SUPPORT)
        why = await find_changes(store, home, bot=bot, base_model="none")
        assert why == "support@1 is tainted: something that it had learnt was erased"
        clean = replace(
            first, version=2, content_hash="b" * 64, folder="adapters/clean", stage=Stage.CANDIDATE, tainted_at=None
        )
        event = Event(new_id(), utc_now(), SUPPORT, "ada", "registered", "support@2", "")
        await store.write(partial(registry.register_adapter, adapter=clean, event=event))
        await rollout.promote(SUPPORT, version=2, actor="ada", reason="is clean")
        stages = {a.version: a.stage for a in await store.read(partial(registry.adapters, bot=SUPPORT))}
        assert stages == {2: Stage.PRODUCTION, 1: Stage.TAINTED}


async def test_what_others_were_answered_with_goes_from_their_rows_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An erased answer stood, as a passage, in the prompts of another person's chat and of the exam."""
    monkeypatch.setattr(night_steps, "train", Trainer())
    home = Home(tmp_path / "data")
    home.create()
    async with opened(home) as store:
        shelf = await fill(store, home, SUPPORT)
        file = home.root / "bots" / f"{SUPPORT}.toml"
        file.write_text(file.read_text() + '[knowledge]\nanswers = 2\nmin_score = 0.0\nguard = "off"\n')
        shelf.look()
        mine = await ruled(store, "My fern came without its copper pot, what now?", "It leaves Vexmoor on Monday.")
        knowledge = KnowledgeShelf(store, shelf, home, bots_folder=home.root / "bots", standing_in=standing_in)
        await knowledge.look()
        found = knowledge.search(SUPPORT, ["My palm came without its copper pot, what now?"])
        assert mine in {passage.conversation_id for passage in found.passages}
        other = await ruled(store, "My palm came without its copper pot, what now?", "We are sorry.", found=found)
        runner, rollout = server_of(store, KnowingEngine(), home, search=knowledge.search)
        await rollout.restore()
        cycle = await runner.run(await runner.claim(SUPPORT, trigger="operator", actor="ada"))
        assert cycle.candidate == 1, cycle.reasons
        [dataset] = home.datasets(SUPPORT).iterdir()
        rows = {row["conversation_id"]: row for row in pq.read_table(dataset / "sft_train.parquet").to_pylist()}
        assert "Vexmoor" in rows[other]["messages"][1]["content"]
        assert f"datasets/{SUPPORT}/{dataset.name}/sft_train.parquet" in places(home.root)["Vexmoor"]
        asked = await eraser_of(store, rollout, home).erase("conversation", mine, actor="ada", reason="", at_once=True)
        assert places(home.root)["Vexmoor"] == []
        assert asked.certificate is not None
        assert asked.certificate.rows["passages"]["rows"] == 1
        assert asked.certificate.tainted == ("support@1",)
        await knowledge.look()
        left = knowledge.search(SUPPORT, ["My fern came without its copper pot, what now?"])
        assert mine not in {passage.conversation_id for passage in left.passages}


async def test_killed_anywhere_it_is_done_again_until_it_is_whole(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(*_: Any, **__: Any) -> None:
        raise Killed

    async with opened(home) as store:
        _, rollout = server_of(store, KnowingEngine(), home)
        await rollout.restore()
        eraser = eraser_of(store, rollout, home)
        with monkeypatch.context() as patch:
            patch.setattr(erasing, "remove_nights", killed)
            with pytest.raises(Killed):
                await eraser.erase("user", PERSON, actor="ada", reason="", at_once=True)
    for name in ("remove_caches", "scrub", "write_atomic"):
        async with opened(home) as store:
            _, rollout = server_of(store, KnowingEngine(), home)
            await rollout.restore()
            with monkeypatch.context() as patch:
                patch.setattr(erasing, name, killed)
                with pytest.raises(Killed):
                    await eraser_of(store, rollout, home).finish()
    async with opened(home) as store:
        _, rollout = server_of(store, KnowingEngine(), home)
        await rollout.restore()
        [told] = await eraser_of(store, rollout, home).finish()
        assert await eraser_of(store, rollout, home).finish() == []
    assert {"dataset", "of a night"} <= {removed.what for removed in told.files}
    assert places(home.root) == {word: [] for word in WORDS}


async def test_a_damaged_file_holds_an_erasure_up_and_not_the_server(
    home: Home, caplog: pytest.LogCaptureFixture
) -> None:
    [manifest] = home.datasets(SUPPORT).glob("*/manifest.json")
    whole = manifest.read_bytes()
    manifest.write_bytes(b"{")
    async with opened(home) as store, asyncio.timeout(60), asyncio.TaskGroup() as tasks:
        _, rollout = server_of(store, KnowingEngine(), home)
        await rollout.restore()
        eraser = eraser_of(store, rollout, home)
        asked = await eraser.erase("user", PERSON, actor="ada", reason="", at_once=False)
        going = tasks.create_task(eraser.keep_going(period_s=0.01))
        while "is tried again" not in caplog.text:
            await asyncio.sleep(0.01)
        manifest.write_bytes(whole)
        while not eraser.certificate_file(asked.erasure.erasure_id).exists():
            await asyncio.sleep(0.01)
        assert not going.done()
        going.cancel()
    assert places(home.root) == {word: [] for word in WORDS}


async def test_of_other_people_nothing_is_lost(home: Home) -> None:
    counting = "select (select count(*) from messages), (select count(*) from conversations)"
    indexes = "select count(*) from duckdb_indexes()"
    async with opened(home) as store:
        before = await store.read(lambda cursor: cursor.execute(indexes).fetchone())
        messages, talks = await store.read(lambda cursor: cursor.execute(counting).fetchone())  # type: ignore[misc]
        _, rollout = server_of(store, KnowingEngine(), home)
        await eraser_of(store, rollout, home).erase("user", PERSON, actor="ada", reason="", at_once=True)
        assert await store.read(lambda cursor: cursor.execute(counting).fetchone()) == (messages - 2, talks - 1)
    async with opened(home) as store:
        other = await chat(store, owner="browser-2")
        assert await store.read(partial(erase.find_doomed, kind="conversation", subject=other))
        assert await store.read(lambda cursor: cursor.execute(indexes).fetchone()) == before


async def lay(store: Store, home: Home, bot: str, *, weights: str) -> Adapter:
    """An adapter of no night, as its bot's next version."""
    draft = home.temp / "draft"
    draft.mkdir(parents=True)
    (draft / "adapter_model.safetensors").write_text(weights)
    content_hash = publish(draft, kind="adapter").content_hash
    folder = home.adapter(BotName(bot), content_hash)
    folder.parent.mkdir(parents=True, exist_ok=True)
    draft.rename(folder)
    version = await store.read(partial(registry.next_version, bot=BotName(bot)))
    adapter = Adapter(
        BotName(bot), version, content_hash, str(folder.relative_to(home.root)), Stage.CANDIDATE, "", "", utc_now()
    )  # fmt: skip
    event = Event(new_id(), utc_now(), adapter.bot, "test", "registered", str(adapter.name), "")
    await store.write(partial(registry.register_adapter, adapter=adapter, event=event))
    return adapter


async def fine_tune(store: Store, home: Home, name: str, *, start: Adapter | None) -> Adapter:
    """The model of a caller's job."""
    order = JobOrder(
        model="a model", start=start.folder if start else "", training_file="file-1", method="supervised", seed=1,
        hyperparameters=Hyperparameters(n_epochs=1, batch_size=1, learning_rate_multiplier=1),
    )  # fmt: skip
    job = Job(f"ftjob-{name}", "key:a", JobState.VALIDATING, order, JobOutcome(), utc_now())
    await store.write(partial(jobs.add_job, job=job, max_unfinished=9))
    return await lay(store, home, lineage_of(job), weights=name)


async def test_who_goes_on_from_what_learnt_it_is_tainted_too(home: Home) -> None:
    async with opened(home) as store:
        _, rollout = server_of(store, KnowingEngine(), home)
        await rollout.restore()
        [live] = await store.read(partial(registry.adapters, bot=SUPPORT))
        child = await fine_tune(store, home, "child", start=live)
        grandchild = await fine_tune(store, home, "grandchild", start=child)
        adopted = await lay(store, home, "reviewer", weights="grandchild")
        others = [await fine_tune(store, home, "other", start=None), await lay(store, home, "reviewer", weights="own")]
        asked = await eraser_of(store, rollout, home).erase("user", PERSON, actor="ada", reason="", at_once=True)
        heirs = (child, grandchild, adopted)
        assert asked.certificate is not None
        assert set(asked.certificate.tainted) == {str(one.name) for one in (live, *heirs)}
        found = {one.name: one for one in await store.read(registry.adapters)}
        assert {found[one.name].stage for one in heirs} == {Stage.TAINTED}
        assert not any((home.root / one.folder).exists() for one in heirs)
        assert all((home.root / one.folder).exists() and not found[one.name].tainted_at for one in others)


async def test_what_the_record_does_not_hold_is_told(home: Home) -> None:
    async with opened(home) as store:
        _, rollout = server_of(store, KnowingEngine(), home)
        eraser = eraser_of(store, rollout, home)
        with pytest.raises(NotFound):
            await eraser.erase("conversation", "nobody's", actor="ada", reason="", at_once=True)
        with pytest.raises(NotFound):
            await eraser.erase("user", "browser-0", actor="ada", reason="", at_once=True)


async def test_while_a_night_runs_rows_go_and_files_follow(home: Home) -> None:
    async with opened(home) as store:
        runner, rollout = server_of(store, KnowingEngine(), home)
        cycle = await runner.claim(SUPPORT, trigger="operator", actor="ada")
        eraser = eraser_of(store, rollout, home)
        asked = await eraser.erase("user", PERSON, actor="ada", reason="", at_once=True)
        assert asked.certificate is None
        await rollout.restore()
        await runner.run(cycle)
        [told] = await eraser.finish()
        assert told.erasure_id == asked.erasure.erasure_id
    assert places(home.root) == {word: [] for word in WORDS}


async def test_while_the_bot_is_examined_by_hand_files_follow_too(home: Home) -> None:
    async with opened(home) as store:
        _, rollout = server_of(store, KnowingEngine(), home)
        await rollout.restore()
        waiting = eraser_of(store, rollout, home, examined=(SUPPORT,))
        asked = await waiting.erase("user", PERSON, actor="ada", reason="", at_once=True)
        assert asked.certificate is None
        [told] = await eraser_of(store, rollout, home, examined=(BotName("another"),)).finish()
        assert told.erasure_id == asked.erasure.erasure_id


async def test_chats_that_are_too_old_for_their_bot_go_and_imports_stay(home: Home) -> None:
    file = home.root / "bots" / f"{SUPPORT}.toml"
    file.write_text(file.read_text().replace("[privacy]", "[privacy]\nkeep_days = 30"))
    counting = "select count(*) from conversations where source = 'import'"
    async with opened(home) as store:
        _, rollout = server_of(store, KnowingEngine(), home)
        await rollout.restore()
        imported = await store.read(lambda cursor: cursor.execute(counting).fetchone())
        for days, gone in ((29, 0), (31, 1), (31, 0)):
            eraser = eraser_of(store, rollout, home, now=partial(_in_days, days))
            await eraser.erase_aged()
            assert len(await eraser.finish()) == gone
        assert await store.read(lambda cursor: cursor.execute(counting).fetchone()) == imported
    # Words are not known one by one any more, so logs are not searched for them; they are rotated.
    assert places(home.root) == {"Ravensbourne": ["logs/engine.log"], "Vexmoor": []}


def _in_days(days: int) -> datetime:
    return utc_now() + timedelta(days=days)
