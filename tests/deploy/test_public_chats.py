"""Ordinary chats of many turns are enough for a night under the default settings. Skipped without the public data."""

import gzip
import json
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

from collect.formats.read import ParsedConversation, read_conversations
from collect.imports import import_conversations
from collect.snapshot import write_snapshot
from collect.store import Store
from deploy.orders import bounds_of, shortfall
from eval.suites import read_suite
from nightschool.bots import Bot
from nightschool.records import BotName
from tune.dataset import build_dataset

NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
PUBLIC = Path(__file__).parents[3] / "shared" / "data"


@pytest.mark.parametrize(
    ("file", "count"), [("sgd/sgd.jsonl.gz", 300), ("support_dialogues/cucom.jsonl.gz", 400)], ids=["sgd", "dialogues"]
)
async def test_a_night_has_enough_to_be_judged(store: Store, tmp_path: Path, file: str, count: int) -> None:
    if not (PUBLIC / file).exists():
        pytest.skip("the public data are not here")
    bot = Bot(name="support", title="Fern", system_prompt="Help.")
    with gzip.open(PUBLIC / file, "rt", encoding="utf-8") as rows:
        said = [json.loads(row)["messages"] for row, _ in zip(rows, range(count), strict=False)]
    lines = [json.dumps({"messages": turns[: len(turns) // 2 * 2]}) for turns in said]
    talks = [line for line in read_conversations(lines) if isinstance(line, ParsedConversation)]
    take_in = partial(import_conversations, bot=BotName("support"), conversations=talks, is_held_out=None, at=NOON)
    assert (await store.write(take_in)).imported == count
    at = NOON + timedelta(hours=1)
    await store.read(partial(write_snapshot, bot=BotName("support"), folder=tmp_path / "snapshot", at=at))
    data = build_dataset(
        tmp_path / "snapshot",
        tmp_path / "sets",
        system_prompt=bot.system_prompt,
        held_out_share=bot.recipe.held_out_share,
        bounds=bounds_of(bot),
        seed=bot.recipe.split_seed,
    )
    dataset = tmp_path / "sets" / data.folder_name
    assert shortfall(bot, data, dataset=dataset) is None
    assert abs(data.held_out_conversations / count - 0.15) <= 0.03
    assert data.largest_group <= 0.05 * count
    asked = read_suite(dataset, max_rows=bot.gate.max_rows)
    assert len({row.conversation_id for row in asked}) == data.held_out_conversations
