"""Stands in for `tune.train` where a test is about jobs: steps, adapters without weights, DONE.

Takes eight steps, each once, over all its starts, and keeps the adapter after steps 4 and 6. A file `hold` beside the
jobs' folders stops it before step 4, or before the one that the file names; what `fails` holds beside them is its last
word.
Run: python fake_trainer.py RUN_DIR
"""

import hashlib
import json
import sys
import time
from pathlib import Path

STEPS = 8
KEPT = (4, 6)


def main(run: Path) -> None:
    jobs = run.parent.parent
    if (jobs / "fails").exists():
        sys.exit((jobs / "fails").read_text())
    metrics = run / "metrics.jsonl"
    taken = metrics.read_text().count("\n") if metrics.exists() else 0
    for step in range(taken + 1, STEPS + 1):
        while (hold := jobs / "hold").exists() and step == int(hold.read_text() or 4):
            time.sleep(0.02)
        line = {
            "phase": "sft", "step": step, "steps": STEPS, "epoch": step / STEPS, "loss": 3 / step,
            "learning_rate": 1e-4, "tokens": 10, "tokens_per_s": 100.0, "seconds": 0.1,
        }  # fmt: skip
        if step == STEPS and (run.parent / "validation.jsonl").exists():
            line["valid_loss"] = 0.75
        if step in KEPT:
            write_adapter(run / "passes" / f"sft-{step}" / "adapter", f"{run.parent.name} {step}")
        with metrics.open("a") as file:
            file.write(json.dumps(line) + "\n")
    (run / "DONE").write_text(write_adapter(run / "adapter", run.parent.name))


def write_adapter(folder: Path, weights: str) -> str:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "adapter_model.safetensors").write_text(weights)
    (folder / "adapter_config.json").write_text('{"r": 16, "lora_alpha": 32}')
    return publish(folder)


def publish(folder: Path) -> str:
    """As `nightschool.files.publish`, whose imports would take longer than all else."""
    digest, entries = hashlib.sha256(), []
    for file in sorted(folder.glob("adapter_*")):
        sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
        digest.update(f"{file.name}\0{sha256}\n".encode())
        entries.append({"name": file.name, "size_bytes": file.stat().st_size, "sha256": sha256})
    manifest = {"kind": "adapter", "content_hash": digest.hexdigest(), "files": entries}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return digest.hexdigest()


main(Path(sys.argv[1]))
