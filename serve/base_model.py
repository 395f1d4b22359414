"""The base model before anybody is served by it: the default one is prepared where it is not, and each is probed.

Both in a child, since they load torch. A probe is kept by the model's content, so that the next start need not wait for
it. Does not start the engine. What a probe says is `tune.probe`'s.
"""

import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

from nightschool.child import run_child
from nightschool.errors import InvalidInput, Unavailable
from nightschool.files import read_manifest
from tune.probe import Probe, read_probe

PROBE_TIMEOUT_S: Final = 300.0


async def prepare_default(folder: Path, *, logs: Path, on_work: Callable[[], None]) -> None:
    """Make the default model in `folder`, where it is not; `on_work` is called before. Raises Unavailable."""
    if read_manifest(folder) is not None:
        return
    on_work()
    async with run_child([sys.executable, "-m", "tune.base_model", str(folder)], log=logs / "model.log") as child:
        if await child.wait() != 0:
            raise Unavailable(
                f"could not be prepared:\n{child.log_tail()}\n",
                subject="default model",
                remedy="Mend that and start again, or set engine.model to a folder of your own.",
            )


async def probe_base(model: str, *, file: Path, logs: Path) -> Probe:
    """The probe of `model`, from `file` where it holds one. Raises Unavailable where the model could not be asked."""
    kept = read_probe(file, model=model)
    if kept and not kept.problem:  # what speaks against it may be mended elsewhere: a download, a package
        return kept
    async with run_child([sys.executable, "-m", "tune.probe", model, str(file)], log=logs / "probe.log") as child:
        with suppress(TimeoutError):
            await child.wait(timeout_s=PROBE_TIMEOUT_S)
        tail = child.log_tail()
    if probe := read_probe(file, model=model):
        return probe
    raise Unavailable(
        f"could not be probed:\n{tail}\n", subject=model, remedy="Mend that, or set engine.model to another model."
    )


def check_probe(probe: Probe) -> None:
    """Raises InvalidInput where something speaks against the model, with the chat by which it shows."""
    if probe.problem:
        shown = f". It renders a chat as {probe.rendered!r}" if probe.rendered else ""
        raise InvalidInput(f"cannot be used: {probe.problem}{shown}", subject="base model", remedy=probe.remedy)


def describe_probe(probe: Probe) -> str:
    """What a person wants to see of a model that can be used, in one line."""
    said = [f"learns {' and '.join(map(repr, probe.learnt))} of {probe.rendered!r}"]
    if not probe.takes_system:
        said.append("its system prompt goes before the first question")
    if probe.is_cut:
        said.append("one answer of a chat at a time")
    said.append(f"adapters on {', '.join(probe.adapted)}")
    if probe.left_out:
        said.append(f"not adapted: {', '.join(probe.left_out)}")
    return "; ".join(said)
