"""A changed prompt, recipe or base model is a reason to train; what changes no weights is none."""

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from collect import registry
from collect.store import Store
from deploy.known import ORDER, Order, find_changes, find_known_items, keep_order
from nightschool.bots import Bot
from nightschool.home import Home
from nightschool.recipe_part import RecipePart
from nightschool.records import Adapter, Event, Outcome, Stage

BOT = Bot(name="support", title="Fern", system_prompt="Help.")
NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)


@pytest.fixture
async def trained(store: Store, home: Home) -> Adapter:
    """`support@1`, judged, and trained by BOT's file as it is."""
    adapter = Adapter(BOT.bot_name, 1, "abc", "adapters/support/abc", Stage.CANDIDATE, "night1", "none", NOON)
    event = Event("e", NOON, BOT.bot_name, "ada", "registered", "support@1", "")
    await store.write(partial(registry.register_adapter, adapter=adapter, event=event))
    judged = registry.Evaluation("e", "night1", BOT.bot_name, 1, Outcome.REJECT, (), "{}", "f", NOON)
    await store.write(partial(registry.record_evaluation, evaluation=judged))
    keep_order(home.cycle(BOT.bot_name, "night1"), Order.of(BOT, base_model="base"))
    return adapter


def order(**recipe: Any) -> Bot:
    return BOT.model_copy(update={"recipe": RecipePart(**recipe)})


@pytest.mark.parametrize(
    ("bot", "expected"),
    [
        (BOT, None),
        (BOT.model_copy(update={"title": "Moss", "description": "x"}), None),
        (order(micro_batch_size=2, min_examples=3, device="cpu"), None),
        (BOT.model_copy(update={"system_prompt": "Help well."}), "the system prompt changed since support@1"),
        (order(rank=8, epochs=3), "recipe.epochs, recipe.rank changed since support@1"),
    ],
)
async def test_what_is_a_reason_to_train(
    store: Store, home: Home, trained: Adapter, bot: Bot, expected: str | None
) -> None:
    assert await find_changes(store, home, bot=bot, base_model="base") == expected


async def test_another_base_model_is_one_and_a_moved_one_is_none(
    store: Store, home: Home, trained: Adapter, tmp_path: Path
) -> None:
    for name in ("here", "there"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").write_text("{}")
        (tmp_path / name / "model.safetensors").write_bytes(b"w" * 10)
    keep_order(home.cycle(BOT.bot_name, "night1"), Order.of(BOT, base_model=str(tmp_path / "here")))
    look: Callable[..., Any] = partial(find_changes, store, home, bot=BOT)
    assert await look(base_model=str(tmp_path / "there")) is None
    (tmp_path / "there" / "model.safetensors").write_bytes(b"w" * 11)
    assert await look(base_model=str(tmp_path / "there")) == "the base model changed since support@1"


async def test_the_base_model_is_read_beside_those_who_chat(
    store: Store, home: Home, trained: Adapter, monkeypatch: pytest.MonkeyPatch
) -> None:
    readers: list[threading.Thread] = []
    monkeypatch.setattr("nightschool.identity._cached", lambda _: readers.append(threading.current_thread()))
    await find_changes(store, home, bot=BOT, base_model="base")
    assert readers
    assert threading.current_thread() not in readers


@pytest.mark.parametrize("kept", [None, "", '{"schema_version": 2, "method": "x"}'])
async def test_what_nobody_knows_is_no_reason(store: Store, home: Home, trained: Adapter, kept: str | None) -> None:
    file = home.cycle(BOT.bot_name, "night1") / ORDER
    file.unlink()
    if kept is not None:
        file.write_text(kept)
    assert await find_changes(store, home, bot=order(rank=8), base_model="base") is None


async def test_a_bot_without_an_adapter_has_seen_and_changed_nothing(store: Store, home: Home) -> None:
    assert await find_changes(store, home, bot=BOT, base_model="base") is None
    assert await find_known_items(store, home, bot=BOT.bot_name) == frozenset()


async def test_a_change_that_only_an_unjudged_adapter_was_trained_by_is_still_one(
    store: Store, home: Home, trained: Adapter
) -> None:
    changed = order(rank=8)
    unjudged = replace(trained, version=2, content_hash="abd", cycle_id="night2")
    event = Event("e2", NOON, BOT.bot_name, "ada", "registered", "support@2", "")
    await store.write(partial(registry.register_adapter, adapter=unjudged, event=event))
    keep_order(home.cycle(BOT.bot_name, "night2"), Order.of(changed, base_model="base"))
    found = await find_changes(store, home, bot=changed, base_model="base")
    assert found == "recipe.rank changed since support@1"


@pytest.mark.parametrize(
    ("recipe", "expected"),
    [
        ({"methods": ("sft",)}, "recipe.methods changed since support@1"),
        ({"start": "production"}, "recipe.start changed since support@1"),
        ({"kto_loss": "apo_zero_unpaired"}, "recipe.kto_loss changed since support@1"),
    ],
)
async def test_other_methods_are_a_reason_to_train(
    store: Store, home: Home, trained: Adapter, recipe: dict[str, Any], expected: str
) -> None:
    assert await find_changes(store, home, bot=order(**recipe), base_model="base") == expected
