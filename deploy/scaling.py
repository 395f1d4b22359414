"""Have a part of what a run learnt made an adapter of its own, by a child: `python -m tune.scale RUN SCALE`.

Does not know why less is wanted, nor how it is made.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from nightschool.child import run_child
from nightschool.errors import TrainingFailed
from nightschool.files import read_manifest
from nightschool.run_files import ADAPTER, scaled_run

SCALER: Final = (sys.executable, "-m", "tune.scale")
NICENESS: Final = 10
"""People who chat go before."""


async def have_scaled(run: Path, scale: float, *, command: Sequence[str] = SCALER) -> None:
    """Returns once the adapter stands. Raises TrainingFailed, which quotes the log's last lines."""
    scaled = scaled_run(run, scale)
    if read_manifest(scaled / ADAPTER) is not None:
        return
    log = scaled.with_name(f"{scaled.name}.log")
    async with run_child([*command, str(run), f"{scale:g}"], log=log, niceness=NICENESS) as child:
        code = await child.wait()
        if code or read_manifest(scaled / ADAPTER) is None:
            raise TrainingFailed(
                f"could not be made (code {code}):\n{child.log_tail()}\n",
                subject=f"{scale:g} of the adapter of {run.parent.name}",
                remedy=f"The whole log is {child.log}.",
            )
