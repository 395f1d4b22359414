"""Does a night end as if nothing had happened, wherever it is killed?

A child process runs one night: record, files, dataset, exam, gate and rollout are the real ones; the engine is an
`EchoEngine` that knows the references, and the trainer writes a small adapter in three checkpoints. It kills itself
with SIGKILL before or after its nth durable act (a write of the record, a file or folder put in place); a second child
goes on as a server does after a start. Compared with an undisturbed night: cycle, verdict, figures, stages, moves,
route, morning page, audit, and the bytes of the adapter. Does not measure time, and kills neither engine nor trainer.
Run: python bench/night_crash.py [--quick]   The last line is one JSON object.
"""

import argparse
import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, Final

import deploy.night
from bench.common.nightlab import SUPPORT, KnowingEngine, end_state, fill, server_of
from collect import cycles
from collect.store import Store, open_store
from nightschool.files import write_atomic
from nightschool.home import Home
from nightschool.run_files import ADAPTER, DONE

ROOT: Final = Path(__file__).parents[1]
KILLS: Final = 30
QUICK_KILLS: Final = 6
FLIP: Final = "put_live"
"""The write that puts the candidate live."""


async def train_a_little(run: Path, **_: object) -> None:
    """The trainer: goes on from its last checkpoint, and the same rows give the same bytes."""
    if (run / DONE).exists():
        return
    checkpoint = run / "checkpoints" / "last.json"
    weights: list[int] = json.loads(checkpoint.read_text()) if checkpoint.exists() else []
    while len(weights) < 3:
        weights.append(len(weights) ** 2)
        write_atomic(checkpoint, json.dumps(weights))
    write_atomic(run / ADAPTER / "adapter_model.safetensors", json.dumps(weights))
    write_atomic(run / DONE, "")


class Acts:
    """Counts what is durable and dies at one of them; notes each by name, so that the flip can be found."""

    def __init__(self, log: Path, *, die_at: int) -> None:
        self._log = log
        self._die_at = die_at
        self._count = 0

    def note(self, name: str) -> None:
        with self._log.open("a") as log:
            log.write(name + "\n")
        if self._count == self._die_at:
            os.kill(os.getpid(), signal.SIGKILL)
        self._count += 1

    def watch(self) -> None:
        write = Store.write

        def watched(move: Callable[..., Any]) -> Callable[..., Any]:
            def act(source: Any, target: Any, **options: Any) -> Any:
                name = f"{Path(target).parent.name}/{Path(target).name}"
                self.note(f"before {name}")
                done = move(source, target, **options)
                self.note(f"after {name}")
                return done

            return act

        async def watched_write(store: Store, change: Callable[..., Any]) -> Any:
            name = getattr(getattr(change, "func", change), "__name__", "write")
            self.note(f"before {name}")
            done = await write(store, change)
            self.note(f"after {name}")
            return done

        # `Path.rename` and `write_atomic` go through these two.
        setattr(os, "replace", watched(os.replace))  # noqa: B010
        setattr(os, "rename", watched(os.rename))  # noqa: B010
        setattr(Store, "write", watched_write)  # noqa: B010


async def prepare(root: Path) -> None:
    """A record with shipped conversations."""
    home = Home(root)
    async with open_store(home.store, temp=home.temp, memory_gib=0.5, threads=1) as store:
        await fill(store, home, SUPPORT)


async def run_night(root: Path) -> None:
    """The child: go on with the night that was cut off, else begin one, unless it was had; then say how it stands."""
    setattr(deploy.night, "train", train_a_little)  # noqa: B010
    home = Home(root)
    async with open_store(home.store, temp=home.temp, memory_gib=0.5, threads=1) as store:
        runner, rollout = server_of(store, KnowingEngine(), home)
        await rollout.restore()
        begun = await runner.interrupted()
        if not await store.read(cycles.list_cycles):
            begun = [await runner.claim(SUPPORT, trigger="operator", actor="bench")]
        for cycle in begun:
            await runner.run(cycle)
        sys.stdout.write(json.dumps(await end_state(store, home, rollout)) + "\n")


def child(home: Path, *, die_at: int) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, __file__, "--child", str(home), "--die-at", str(die_at)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment, timeout=600)


def points_of(acts: Sequence[str], *, kills: int) -> list[int]:
    """Before and behind the flip, at the last write, and the rest spread over all acts."""
    flip = next(number for number, act in enumerate(acts) if FLIP in act)
    chosen = [flip, flip + 1, len(acts) - 2, len(acts) - 1]
    spread = [round(number * (len(acts) - 1) / kills) for number in range(kills)]
    return sorted(list(dict.fromkeys([*chosen, *spread, *range(len(acts))]))[:kills])


def kill_once(folder: Path, point: int) -> tuple[bool, dict[str, Any]]:
    """Whether it died there, and how the night ended after the next start."""
    home = folder / f"at-{point}"
    shutil.copytree(folder / "fresh", home)
    died = child(home, die_at=point).returncode == -signal.SIGKILL
    again = child(home, die_at=-1)
    shutil.rmtree(home)
    return died, json.loads(again.stdout.splitlines()[-1]) if again.returncode == 0 else {"error": again.stderr[-400:]}


def compare(kills: int, folder: Path) -> tuple[int, int]:
    """How often it was killed, and how often the end was that of the undisturbed night."""
    (folder / "fresh").mkdir()
    asyncio.run(prepare(folder / "fresh"))
    shutil.copytree(folder / "fresh", folder / "calm")
    calm = child(folder / "calm", die_at=-1)
    if calm.returncode:
        raise SystemExit(calm.stderr)
    undisturbed = json.loads(calm.stdout.splitlines()[-1])
    acts = (folder / "calm" / "acts.log").read_text().splitlines()
    print(f"undisturbed: {len(acts)} points at durable acts, ends as {undisturbed['cycles'][0][:5]}", flush=True)
    points = points_of(acts, kills=kills)
    died = same = 0
    with ThreadPoolExecutor(2) as pool:
        for point, (has_died, state) in zip(points, pool.map(partial(kill_once, folder), points), strict=True):
            died += has_died
            same += state == undisturbed
            odd = {key: value for key, value in state.items() if value != undisturbed.get(key)}
            print(f"{point:4}  {acts[point]:<50}  {f'DIFFERS {odd}' if odd else 'same'}", flush=True)
    return died, same


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_KILLS} kills instead of {KILLS}")
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--die-at", type=int, default=-1, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        Acts(options.child / "acts.log", die_at=options.die_at).watch()
        asyncio.run(run_night(options.child))
        return
    with tempfile.TemporaryDirectory(prefix="ns-crash-") as folder:
        died, same = compare(QUICK_KILLS if options.quick else KILLS, Path(folder))
    print(json.dumps({"kills": died, "same_end": same}))


if __name__ == "__main__":
    main()
