"""The shipped bot's conversations and documents, as its nights have them: a dataset of rows that carry their passages.

Does not know what is trained or measured.
"""

from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

from collect.formats.read import ParsedConversation, read_conversations
from collect.imports import import_conversations
from collect.knowledge.documents import look, read_document
from collect.knowledge.index import Embed, Index, read_index, write_index
from collect.knowledge.passages import cut
from collect.knowledge.shelf import KnowledgeShelf
from collect.snapshot import write_snapshot
from collect.store import Store, open_store
from deploy.orders import grounding_of
from eval.facts import standing_in
from nightschool.bots import Bot, BotShelf
from nightschool.home import Home
from nightschool.knowledge import Found
from tune.dataset import build_dataset

BOTS: Final = Path(__file__).parents[2] / "bots"
TAUGHT: Final = ("train.jsonl", False)
EXAMINED: Final = ("heldout.jsonl", True)
"""Files of conversations, and whether they are held out."""
AT: Final = datetime(2026, 3, 1, tzinfo=UTC)
HELD_OUT_SHARE: Final = 0.15
SEED: Final = 17


class Shipped(NamedTuple):
    store: Store
    knowledge: KnowledgeShelf
    """Documents and answers, as they are served."""


def read_index_of(folder: Path, root: Path, *, embed: Embed) -> Index:
    """Of the documents in `folder`, below `root`."""
    documents = [read_document(file, folder=folder) for file in look(folder)]
    return read_index(write_index([passage for one in documents for passage in cut(one)], root, embed=embed))


@asynccontextmanager
async def open_shipped(
    folder: Path, bot: Bot, *, files: Sequence[tuple[str, bool]] = (TAUGHT, EXAMINED)
) -> AsyncIterator[Shipped]:
    """A record below `folder` that holds the bot's shipped conversations, for the length of the block."""
    async with open_store(folder / "record.duckdb", temp=folder / "temp", memory_gib=2, threads=2) as store:
        for name, is_held_out in files:
            lines = (BOTS / "lumafern" / name).read_text().splitlines()
            parsed = [line for line in read_conversations(lines) if isinstance(line, ParsedConversation)]
            keep = partial(import_conversations, bot=bot.bot_name, conversations=parsed, is_held_out=is_held_out, at=AT)
            await store.write(keep)
        knowledge = KnowledgeShelf(
            store, BotShelf(BOTS), Home(folder / "data"), bots_folder=BOTS, standing_in=standing_in
        )
        await knowledge.look()
        yield Shipped(store, knowledge)


async def write_dataset(
    shipped: Shipped, folder: Path, bot: Bot, *, held_out_share: float = HELD_OUT_SHARE, seed: int = SEED
) -> Path:
    """What a night would read of them."""

    def find(said: Sequence[str], apart_from: Collection[str]) -> Found:
        return shipped.knowledge.search(bot.bot_name, said, apart_from=apart_from)

    at = AT + timedelta(days=1)
    await shipped.store.read(partial(write_snapshot, bot=bot.bot_name, folder=folder / "snapshot", at=at, find=find))
    made = build_dataset(
        folder / "snapshot", folder / "datasets", system_prompt=bot.system_prompt, held_out_share=held_out_share,
        seed=seed, grounding=grounding_of(bot),
    )  # fmt: skip
    return folder / "datasets" / made.folder_name
