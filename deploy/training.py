"""Run the trainer as a child and follow it: `python -m tune.train RUN_DIR` in the background, watched by its files.

The child knows only its run folder, so a killed run goes on from its last checkpoint when it is started again. Does not
know what is trained, nor what becomes of the adapter.
"""

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

from nightschool.child import run_child
from nightschool.errors import TrainingFailed
from tune.progress import TrainingProgress, read_progress

POLL_S: Final = 1.0
OUT_OF_MEMORY: Final = -9


async def train(run: Path, *, timeout_s: float, on_progress: Callable[[TrainingProgress], None]) -> None:
    """Returns once `run/DONE` stands. Raises TrainingFailed, which quotes the log's last lines."""
    if (run / "DONE").exists():
        return
    log = run / "train.log"
    async with run_child([sys.executable, "-m", "tune.train", str(run)], log=log, background=True) as child:
        try:
            async with asyncio.timeout(timeout_s):
                while child.is_running:
                    if progress := read_progress(run):
                        on_progress(progress)
                    await asyncio.sleep(POLL_S)
        except TimeoutError:
            raise TrainingFailed(
                f"took longer than {timeout_s:.0f} s", subject=run.name, remedy="Raise night.training_timeout_s."
            ) from None
        code = await child.wait()
    if code == OUT_OF_MEMORY:
        raise TrainingFailed(
            "was killed, most likely for memory",
            subject=run.name,
            remedy="Lower recipe.micro_batch_size or recipe.max_tokens in the bot's file.",
        )
    if code != 0 or not (run / "DONE").exists():
        raise TrainingFailed(
            f"ended with code {code}:\n{child.log_tail()}\n", subject=run.name, remedy=f"The whole log is {log}."
        )
