"""What a night learns from: the record's rows as a snapshot, and the snapshot as a dataset.

Where the bot has documents, or answers of its team, what they hold for its questions goes with the rows. Does not know
what is trained on it.
"""

import shutil
from collections.abc import Collection, Sequence
from functools import partial
from pathlib import Path

from collect.snapshot import write_snapshot
from deploy.building import have_built
from deploy.known import find_known_items, find_trained
from deploy.orders import bounds_of, grounding_of, privacy_of, questions_of
from deploy.plan import NightFolder
from deploy.school import School
from nightschool.bots import Bot
from nightschool.knowledge import Found
from tune.build import BuildOrder
from tune.dataset import DatasetSummary


async def take_snapshot(school: School, bot: Bot, folder: NightFolder) -> None:
    """What the record says of the bot now, in place of a half-written one."""
    shutil.rmtree(folder.snapshot, ignore_errors=True)

    def find(said: Sequence[str], apart_from: Collection[str]) -> Found:
        return school.search(bot.bot_name, said, apart_from=apart_from)

    take = partial(write_snapshot, bot=bot.bot_name, folder=folder.snapshot, at=school.now())
    await school.store.read_long(partial(take, find=find if bot.knowledge.is_grounded else None))


async def make_dataset(school: School, bot: Bot, folder: NightFolder, *, target: Path) -> DatasetSummary:
    """The folder's snapshot as a dataset under `target`; nothing else is kept."""
    order = BuildOrder(
        snapshot=folder.snapshot,
        target=target,
        system_prompt=bot.system_prompt,
        held_out_share=bot.recipe.held_out_share,
        bounds=bounds_of(bot),
        half_life_days=bot.recipe.half_life_days,
        topic_ratio=bot.recipe.topic_ratio,
        suites=tuple(Path(suite) for suite in bot.recipe.suites),
        seed=bot.recipe.split_seed,
        questions=questions_of(bot),
        grounding=grounding_of(bot),
        privacy=privacy_of(bot, kept=school.home.found(bot.bot_name)),
        known_items=await find_known_items(school.store, school.home, bot=bot.bot_name),
        trained_before=await find_trained(school.store, school.home, bot=bot.bot_name),
    )
    return await have_built(order, order_file=folder.order_file)
