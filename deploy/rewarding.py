"""Have the reward model that a night trained score an exam's answers, in a child process on the processor.

The gateway never loads a model. The folder in which the child works goes when it is done, since people's words stand
in it. Does not know what the scores come to (`eval.reward`).
"""

import asyncio
import os
import shutil
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from deploy.plan import NightFolder
from eval.reward import Answered, NoScores, RewardOrder
from nightschool.bots import Bot
from nightschool.child import CALM_THREADS, log_tail, run_child
from nightschool.files import read_manifest, write_atomic
from nightschool.home import Home
from nightschool.records import Adapter
from tune.agreement import FOLDER, read_agreement
from tune.score_texts import TEXTS, Text, TextsFile, read_scores

SCORER: Final = ("-m", "tune.score_texts")
MOST_S: Final = 900.0
NICENESS: Final = 5
"""People's chats go before."""


def reward_of(
    bot: Bot, home: Home, adapter: Adapter, *, folder: Path, command: Sequence[str] = (sys.executable, *SCORER)
) -> RewardOrder | None:
    """The reward model of the night that trained `adapter`, where the bot's gate has one asked. `folder` is where its
    child works."""
    if not bot.gate.reward_model:
        return None
    run = NightFolder(home.cycle(adapter.bot, adapter.cycle_id)).run
    agreement, manifest = read_agreement(run), read_manifest(run / FOLDER)
    if agreement is None or manifest is None:
        return RewardOrder("", 0, 0, _score_none)
    score = partial(_score, run=run, folder=folder, command=command)
    return RewardOrder(manifest.content_hash, agreement.pairs, agreement.right, score)


async def _score_none(_texts: Sequence[Answered]) -> Sequence[float | None]:
    raise NoScores("none that was trained with the candidate is there")


async def _score(
    texts: Sequence[Answered], *, run: Path, folder: Path, command: Sequence[str]
) -> Sequence[float | None]:
    asked = TextsFile(run=str(run), texts=tuple(Text(messages=text.messages, answer=text.answer) for text in texts))
    try:
        await asyncio.to_thread(write_atomic, folder / TEXTS, asked.model_dump_json())
        return await _ask_child(folder, command=command, count=len(texts))
    finally:
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)


async def _ask_child(folder: Path, *, command: Sequence[str], count: int) -> Sequence[float | None]:
    log = folder / "reward.log"
    environment = {**CALM_THREADS, **os.environ}
    async with run_child([*command, str(folder)], log=log, environment=environment, niceness=NICENESS) as child:
        try:
            code = await child.wait(timeout_s=MOST_S)
        except TimeoutError as error:
            raise NoScores(f"it was not done within {MOST_S:g} s") from error
        if child.was_killed_for_memory():
            raise NoScores("its process was killed by the kernel for want of memory")
    if code:
        words = log_tail(log, 1)
        raise NoScores(f"its process ended with code {code}: {words}")
    try:
        scores = await asyncio.to_thread(read_scores, folder)
    except (OSError, ValidationError) as error:
        raise NoScores("its process left no scores") from error
    if len(scores) != count:
        raise NoScores(f"its process left {len(scores)} scores for {count} answers")
    return scores
