"""LLaMA-Factory in an environment of its own, given the rows that TRL is given: the other thing that a user would pick.

Its versions of transformers and TRL are not ours, so it is a process of an interpreter that is made for it once.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Final, NamedTuple

from bench.common.runs import call
from nightschool.methods import Method

RELEASE: Final = ("llamafactory==0.9.5", "torch==2.11.0", "torchvision==0.26.0", "torchaudio==2.11.0")
"""Left open, the newest torch and torchaudio do not go together."""
TAGS: Final = {
    "role_tag": "role", "content_tag": "content", "user_tag": "user", "assistant_tag": "assistant",
    "system_tag": "system",
}  # fmt: skip
COLUMNS: Final[dict[Method, dict[str, str]]] = {
    "sft": {"messages": "messages"},
    "dpo": {"messages": "messages", "chosen": "chosen", "rejected": "rejected"},
    "kto": {"messages": "messages", "kto_tag": "label"},
}


class Trained(NamedTuple):
    seconds: float
    """Of its training loop, as it tells them itself."""
    peak_mb: float


def prepare(environment: Path) -> Path:
    """The interpreter of an environment that has it; made where there is none, which takes some 6 GB of disk."""
    python = environment / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(environment)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", *RELEASE], check=True)
    return python


def train(method: Method, rows: Path, out: Path, *, python: Path, model: str, settings: dict[str, float]) -> Trained:
    """A LoRA of the rank and alpha that plain TRL is given, on all linear layers; else LLaMA-Factory's defaults."""
    out.mkdir()
    lines = [_turn(method, json.loads(line)) for line in rows.read_text().splitlines()]
    (out / "rows.json").write_text(json.dumps(lines))
    about = {"file_name": "rows.json", "formatting": "sharegpt", "columns": COLUMNS[method], "tags": TAGS}
    (out / "dataset_info.json").write_text(json.dumps({"rows": about | {"ranking": method == "dpo"}}))
    order = {
        "stage": method, "do_train": True, "model_name_or_path": model, "template": "smollm2",
        "finetuning_type": "lora", "lora_rank": 16, "lora_alpha": 32, "lora_target": "all", "dataset": "rows",
        "dataset_dir": str(out), "output_dir": str(out / "adapter"), "num_train_epochs": 1, "use_cpu": True,
        "report_to": "none", "save_strategy": "no", "overwrite_cache": True, "seed": 17,
    }  # fmt: skip
    # JSON is YAML too, and this release cannot read a file that ends in .json.
    (out / "order.yaml").write_text(json.dumps(order | settings))
    command = ("-m", "llamafactory.cli", "train", str(out / "order.yaml"))
    peak_mb = call(*command, log=out / f"{out.name}.log", python=python)
    return Trained(json.loads((out / "adapter" / "train_results.json").read_text())["train_runtime"], peak_mb)


def _turn(method: Method, row: dict[str, Any]) -> dict[str, Any]:
    """A row of TRL's as a chat with the answer at its end, or beside it where two are compared."""
    if method == "dpo":
        return {"messages": row["prompt"], "chosen": row["chosen"][0], "rejected": row["rejected"][0]}
    chat = {"messages": row["prompt"] + row["completion"]}
    return chat | {"label": row["label"]} if method == "kto" else chat
