"""The shipped bot's conversations and documents, as its nights have them: a dataset of rows that carry their passages.

Does not know what is trained or measured.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Final

from collect.formats.read import ParsedConversation, read_conversations
from collect.imports import import_conversations
from collect.knowledge.documents import look, read_document
from collect.knowledge.index import Embed, Index, read_index, write_index
from collect.knowledge.passages import cut
from collect.knowledge.search import search as find
from collect.snapshot import write_snapshot
from collect.store import open_store
from deploy.orders import grounding_of
from nightschool.bots import Bot
from nightschool.embedding import load_embedder
from nightschool.knowledge import Found, Search
from nightschool.records import BotName
from tune.dataset import build_dataset

BOTS: Final = Path(__file__).parents[2] / "bots"
AT: Final = datetime(2026, 3, 1, tzinfo=UTC)
HELD_OUT_SHARE: Final = 0.15
SEED: Final = 17


def read_index_of(folder: Path, root: Path, *, embed: Embed) -> Index:
    """Of the documents in `folder`, below `root`."""
    documents = [read_document(file, folder=folder) for file in look(folder)]
    return read_index(write_index([passage for one in documents for passage in cut(one)], root, embed=embed))


def open_documents(bot: Bot, root: Path) -> Search:
    """The bot's own, indexed below `root`."""
    embed, wanted = load_embedder().embed, bot.knowledge
    index = read_index_of(BOTS / wanted.folder, root, embed=embed)

    def search(_bot: BotName, said: Sequence[str]) -> Found:
        return find(index, said, embed=embed, passages=wanted.passages, min_score=wanted.min_score)

    return search


async def write_dataset(folder: Path, bot: Bot, *, search: Search) -> Path:
    """What a night would read of the shipped conversations."""
    async with open_store(folder / "record.duckdb", temp=folder / "temp", memory_gib=2, threads=2) as store:
        for name, is_held_out in (("train.jsonl", False), ("heldout.jsonl", True)):
            lines = (BOTS / "lumafern" / name).read_text().splitlines()
            parsed = [line for line in read_conversations(lines) if isinstance(line, ParsedConversation)]
            keep = partial(import_conversations, bot=bot.bot_name, conversations=parsed, is_held_out=is_held_out, at=AT)
            await store.write(keep)
        take = partial(
            write_snapshot, bot=bot.bot_name, folder=folder / "snapshot", at=AT + timedelta(days=1),
            find=partial(search, bot.bot_name),
        )  # fmt: skip
        await store.read(take)
    made = build_dataset(
        folder / "snapshot", folder / "datasets", system_prompt=bot.system_prompt, held_out_share=HELD_OUT_SHARE,
        seed=SEED, grounding=grounding_of(bot),
    )  # fmt: skip
    return folder / "datasets" / made.folder_name
