"""What a user would run instead of a night's training: TRL as its README shows it, with TRL's own defaults.

Only where a CPU has no bf16 arithmetic it computes in fp32, as whoever watched it would soon choose.
A process of its own, so that its memory is its own. Rows are JSON lines in the shape that TRL documents: `prompt` and
`completion` (SFT, and KTO with `label`), or `prompt`, `chosen` and `rejected` (DPO), each a list of messages. Leaves
the adapter and `figures.json` in OUT. Knows nothing of Nightschool.
Run: python bench/common/plain_trl.py sft ROWS.jsonl --model FOLDER --out OUT --epochs 2
"""

import argparse
import json
import os
import resource
import time
from pathlib import Path
from typing import Any

METHODS = ("sft", "dpo", "kto")


def train(method: str, rows: Path, *, model: str, out: Path, epochs: float, settings: dict[str, Any]) -> dict[str, Any]:
    """Seconds of the training loop, steps, last losses and peak memory."""
    import trl  # noqa: PLC0415 - takes seconds, which --help must not
    from datasets import load_dataset  # noqa: PLC0415
    from peft import LoraConfig  # noqa: PLC0415

    data = load_dataset("json", data_files=str(rows), split="train", cache_dir=str(out / "cache"))
    kind = method.upper()
    arguments = getattr(trl, f"{kind}Config")(
        output_dir=str(out), use_cpu=True, num_train_epochs=epochs, save_strategy="no", report_to="none",
        logging_steps=1, disable_tqdm=True, seed=17, **settings,
    )  # fmt: skip
    lora = LoraConfig(r=16, lora_alpha=32, target_modules="all-linear", task_type="CAUSAL_LM")
    trainer = getattr(trl, f"{kind}Trainer")(model=model, args=arguments, train_dataset=data, peft_config=lora)
    began = time.monotonic()
    trainer.train()
    seconds = time.monotonic() - began
    trainer.save_model(str(out))
    losses = [line["loss"] for line in trainer.state.log_history if "loss" in line]
    last = losses[-max(1, len(losses) // 5) :]
    return {
        "seconds": seconds,
        "steps": trainer.state.global_step,
        "loss": sum(last) / len(last),
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("method", choices=METHODS)
    parser.add_argument("rows", type=Path)
    parser.add_argument("--model", required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--epochs", type=float, default=1.0)
    parser.add_argument("--learning-rate", type=float, help="instead of TRL's default for the method")
    parser.add_argument("--batch-size", type=int, help="rows of a step, instead of TRL's 8")
    given = parser.parse_args()
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    # TRL's default is bf16, which a CPU without such instructions emulates some ten times slower than fp32.
    flags = Path("/proc/cpuinfo").read_text().split()
    has_bf16 = not {"avx512_bf16", "amx_bf16", "bf16"}.isdisjoint(flags)
    wanted = {
        "bf16": None if has_bf16 else False,
        "learning_rate": given.learning_rate,
        "per_device_train_batch_size": given.batch_size,
    }
    figures = train(
        given.method,
        given.rows,
        model=given.model,
        out=given.out,
        epochs=given.epochs,
        settings={name: value for name, value in wanted.items() if value is not None},
    )
    (given.out / "figures.json").write_text(json.dumps(figures))


if __name__ == "__main__":
    main()
