"""How does a night on somebody's conversations go, from the import to the verdict, and what does each part cost?

A real server with the real engine and the real trainer, on a data folder of its own: conversations are imported that
belong to no side yet, one night runs, and its steps, sides and verdict are printed. What a user would do instead is a
training by hand; what the night adds to it is the share printed as `beside_training`.
The machine's other work shows in every time here; a night on two cores takes about twenty minutes.
Run: python bench/night.py [--data FILE] [--conversations N] [--quick]   The last line is one JSON object.
"""

import argparse
import gzip
import json
import shutil
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from bench.common.installation import Installation
from nightschool.run_files import DONE

SHIPPED: Final = Path(__file__).parent.parent / "bots" / "lumafern" / "train.jsonl"
BOT: Final = """
name = "support"
title = "Support"
system_prompt = "You answer a company's customers: politely, briefly and to the point."
[recipe]
learning_rate = 4e-4
epochs = {epochs}
[sampling]
max_tokens = {max_tokens}
[schedule]
enabled = false
"""
START_TIMEOUT_S: Final = 600.0
NIGHT_TIMEOUT_S: Final = 3 * 3600.0


def take(data: Path, *, conversations: int, to: Path) -> None:
    """Every len // conversations-th line of `data`, so that all of it is seen."""
    written = data.read_bytes()
    rows = (gzip.decompress(written) if data.suffix == ".gz" else written).decode().splitlines(keepends=True)
    to.write_text("".join(rows[:: max(1, len(rows) // conversations)][:conversations]))


def measure(installation: Installation, data: Path) -> dict[str, Any]:
    imported = installation.tell("import", str(data), "--bot", "support", timeout_s=NIGHT_TIMEOUT_S)
    began = time.monotonic()
    verdict = installation.tell("night", "--bot", "support", timeout_s=NIGHT_TIMEOUT_S)
    night_s = time.monotonic() - began
    [cycle] = (installation.home / "cycles" / "support").iterdir()
    return {
        "verdict": verdict["verdict"],
        "imported": imported["imported"],
        **_dataset(cycle),
        **_steps(cycle, night_s=night_s),
        **{name: value for name, value in verdict["figures"].items() if isinstance(value, int | float)},
        "reasons": verdict["reasons"],
    }


def _dataset(cycle: Path) -> dict[str, Any]:
    made: Mapping[str, Any] = json.loads((cycle / "dataset.json").read_text())
    return {name: value for name, value in made.items() if isinstance(value, int | float)}


def _steps(cycle: Path, *, night_s: float) -> dict[str, float]:
    """Seconds of each step, by the files that it leaves; a step that never came leaves none."""
    ends = {
        "dataset_s": cycle / "order.json",
        "training_s": cycle / "run" / DONE,
        "exam_s": cycle / "evaluation" / "verdict.json",
    }
    before = (cycle / "snapshot" / "conversations.parquet").stat().st_mtime
    steps = {"night_s": night_s}
    for name, file in ends.items():
        if not file.exists():
            break
        steps[name] = file.stat().st_mtime - before
        before = file.stat().st_mtime
    if "training_s" in steps:
        steps["beside_training"] = 1 - steps["training_s"] / night_s
    return steps


def report(figures: dict[str, Any]) -> None:
    reasons = figures.pop("reasons")
    for name, figure in figures.items():
        print(f"{name:<40}{figure:>14.3f}" if isinstance(figure, float) else f"{name:<40}{figure:>14}")
    print(*reasons, sep="\n")
    print(json.dumps({name: round(value, 4) if isinstance(value, float) else value for name, value in figures.items()}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=SHIPPED, help="JSON lines with `messages`, gzipped or not")
    parser.add_argument("--conversations", type=int, default=400)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--max-tokens", type=int, default=160, help="of an answer in the exam")
    parser.add_argument("--keep", type=Path, help="copy what the night left there")
    parser.add_argument("--quick", action="store_true", help="160 conversations, one epoch, short answers")
    options = parser.parse_args()
    if options.quick:
        options.conversations, options.epochs, options.max_tokens = 160, 1, 40
    with tempfile.TemporaryDirectory(prefix="ns-bench-") as name:
        folder = Path(name)
        bot = BOT.format(epochs=options.epochs, max_tokens=options.max_tokens)
        data = folder / "conversations.jsonl"
        take(options.data, conversations=options.conversations, to=data)
        installation = Installation(folder, bot=bot)
        with installation.running(start_timeout_s=START_TIMEOUT_S):
            figures = measure(installation, data)
        if options.keep:
            shutil.copytree(installation.home / "cycles", options.keep)
    report(figures)


if __name__ == "__main__":
    main()
