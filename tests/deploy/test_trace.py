"""Lineage: from what was said to who learnt it, and back."""

from datetime import UTC, datetime, timedelta
from functools import partial

import pytest

from collect import lineage, registry
from collect.conversations import record_turn
from collect.events import append_event
from collect.store import Store
from deploy.trace import trace
from nightschool.errors import NotFound
from nightschool.files import publish
from nightschool.home import Home
from nightschool.records import Adapter, BotName, Conversation, Event, Message, Source, Stage, new_id
from tune.recipe import Recipe, write_recipe
from tune.stages import StageLine, write_stages

from ..tables import write_table

BOT = BotName("support")
AT = datetime(2026, 11, 20, tzinfo=UTC)


async def add_version(store: Store, version: int, *, dataset_hash: str, stage: Stage) -> None:
    adapter = Adapter(
        BOT, version, f"{version}" * 64, f"adapters/{version}", stage, f"night{version}", dataset_hash, AT, live_at=None
    )
    event = Event(new_id(), AT, BOT, "schedule", "registered", f"support@{version}", "trained")
    await store.write(partial(registry.register_adapter, adapter=adapter, event=event))


async def note(store: Store, action: str, version: int, *, hours: int, actor: str = "ada") -> None:
    event = Event(new_id(), AT + timedelta(hours=hours), BOT, actor, action, f"support@{version}", "is better")
    await store.write(partial(append_event, event=event))


def keep_dataset(home: Home, *, message_id: str, voter: str) -> str:
    draft = home.datasets(BOT) / "draft"
    draft.mkdir(parents=True)
    own = {
        "item_id": "a1", "kind": "votes", "side": "train", "conversation_id": "talk", "messages": [message_id],
        "votes": [{"message_id": message_id, "voter": voter}], "reviews": [message_id],
    }  # fmt: skip
    other = own | {"item_id": "b2", "kind": "sft", "messages": ["else"], "votes": [], "reviews": ["else"]}
    other["votes"] = [{"message_id": "else", "voter": "browser:ben"}]
    write_table(draft / "items.parquet", [own, other])
    about: dict[str, str | int | float | None] = {"schema": 2}
    content_hash = publish(draft, kind="dataset", about=about).content_hash
    draft.rename(home.dataset(BOT, content_hash))
    return content_hash


async def say(store: Store) -> str:
    conversation = Conversation("talk", BOT, "browser:ada", Source.CHAT, "Where?", AT)
    asked, answer = "q1", "a-1"
    messages = [
        Message(asked, "talk", BOT, None, "user", "Where?", Source.CHAT, AT),
        Message(answer, "talk", BOT, asked, "assistant", "Here.", Source.CHAT, AT, version=1, adapter_hash="1" * 64),
    ]
    await store.write(partial(record_turn, conversation=conversation, messages=messages))
    return answer


async def test_a_message_leads_to_the_versions_that_learnt_it_and_a_version_back(store: Store, home: Home) -> None:
    answer = await say(store)
    content_hash = keep_dataset(home, message_id=answer, voter="browser:ada")
    await add_version(store, 1, dataset_hash="0" * 64, stage=Stage.RETIRED)
    await add_version(store, 2, dataset_hash=content_hash, stage=Stage.PRODUCTION)
    await note(store, "candidate->production", 2, hours=1)
    found = await trace(store, home, answer, limit=10)
    [dataset] = found.datasets
    assert found.answer is not None
    assert (found.kind, found.answer.answered_by) == ("message", "support@1")
    assert [(item.item_id, item.side) for item in dataset.items] == [("a1", "train")]
    assert [(version.name, version.is_live) for version in dataset.versions] == [("support@2", True)]
    back = await trace(store, home, "support@2", limit=10)
    assert back.version is not None
    assert back.version.promoted is not None
    assert (back.version.promoted.by, back.datasets[0].content_hash) == ("ada", content_hash)
    run = home.cycle(BOT, "night2") / "run"
    run.mkdir(parents=True)
    write_recipe(run, Recipe(dataset="d", base_model="models/small", methods=("sft", "dpo")))
    line = StageLine(method="sft", ran=True, why="", rows=9, steps=1, seconds=1)
    write_stages(run, [line, line.model_copy(update={"method": "dpo", "ran": False})])
    back = await trace(store, home, "support@2", limit=10)
    assert back.trained is not None
    assert (back.trained.base_model, back.trained.methods) == ("small", ("sft",))
    assert [item.messages for item in back.datasets[0].items] == [("a-1",), ("else",)]
    same = await trace(store, home, content_hash[:16], limit=1)
    assert (same.kind, same.datasets[0].rows, len(same.datasets[0].items)) == ("dataset", 2, 1)
    gone = await trace(store, home, "support@1", limit=10)
    assert not gone.datasets[0].is_kept


async def test_who_is_unknown_is_told(store: Store, home: Home) -> None:
    await say(store)
    for subject in ("nobody", "a-1/browser:ben", "support@9", "f" * 16):
        with pytest.raises(NotFound):
            await trace(store, home, subject, limit=10)
    assert (await trace(store, home, "q1", limit=10)).datasets == ()


@pytest.mark.parametrize(
    ("hours", "name"), [(0, "support@base"), (1, "support@1"), (4, "support@1"), (5, "support@2"), (9, "support@base")]
)
async def test_who_was_live_at_a_time_stands_in_the_audit(store: Store, hours: int, name: str) -> None:
    for version in (1, 2):
        await add_version(store, version, dataset_hash="0" * 64, stage=Stage.RETIRED)
    await note(store, "candidate->production", 1, hours=1)
    await note(store, "production->previous", 1, hours=5)
    await note(store, "candidate->production", 2, hours=5)
    await note(store, "production->retired", 2, hours=9, actor="ben")
    then = await store.read(partial(lineage.live_then, bot=BOT, at=AT + timedelta(hours=hours)))
    assert (then.name, then.by) == (name, {0: "", 9: "ben"}.get(hours, "ada"))
