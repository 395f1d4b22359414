"""One evaluation by lm-evaluation-harness as its users write it, timed; run by `bench/common/harness.py`.

Runs in lm-eval's own environment, so it imports nothing of Nightschool's. In: an order (JSON). Out: figures.json beside
it, with seconds of the start and of each task, and what came of each row.
"""

import json
import sys
import time
from pathlib import Path
from typing import Any


def start(order: dict[str, Any]) -> Any:
    """The model, loaded or reached."""
    if order["backend"] == "hf":
        from lm_eval.models.huggingface import HFLM  # noqa: PLC0415 - torch, which the server's rival does without

        # Left to itself it sums log-probabilities in bf16, which rounds those of a whole answer to twos.
        return HFLM(
            pretrained=order["model"], device="cpu", dtype=order["dtype"], softmax_dtype="float32",
            batch_size=order["at_once"],
        )  # fmt: skip
    from lm_eval.models.openai_completions import LocalCompletionsAPI  # noqa: PLC0415

    class Unseeded(LocalCompletionsAPI):  # type: ignore[misc]  # lm-eval has no types
        """vLLM 0.32 on a CPU dies of seeds; and of what others asked before, nothing may be read from its cache."""

        def _create_payload(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
            payload = {**super()._create_payload(*args, **kwargs), "cache_salt": "lm-eval"}
            payload.pop("seed", None)
            return payload

    return Unseeded(
        base_url=f"{order['url']}/v1/completions", model=order["served_name"], tokenizer=order["model"],
        tokenizer_backend="huggingface", num_concurrent=order["at_once"], batch_size=1, max_length=order["max_length"],
    )  # fmt: skip


def main(file: Path) -> None:
    began = time.monotonic()
    order = json.loads(file.read_text())
    from lm_eval import simple_evaluate  # noqa: PLC0415
    from lm_eval.tasks import TaskManager  # noqa: PLC0415

    model, tasks = start(order), TaskManager(include_path=str(file.parent / "tasks"), include_defaults=False)
    figures: dict[str, Any] = {"start_s": time.monotonic() - began, "seconds": {}, "said": {}, "results": {}}
    for name in order["tasks"]:
        began = time.monotonic()
        found = simple_evaluate(model=model, tasks=[name], task_manager=tasks, bootstrap_iters=0)
        figures["seconds"][name] = time.monotonic() - began
        figures["results"][name] = found["results"][name]
        figures["said"][name] = {
            sample["doc"]["row_id"]: sample["filtered_resps"][0] for sample in found["samples"][name]
        }
    (file.parent / "figures.json").write_text(json.dumps(figures, default=str))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
