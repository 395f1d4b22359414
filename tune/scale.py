"""Make a part of what a run learnt an adapter of its own: nearer to the base model, and so to what that can do.

In: a finished run's folder and a scale from 0 to 1. Out: `scaled-SCALE/` in it, with an adapter whose weights move the
model so much less, and the proof of it; the adapter is published last, so that what was cut off is done again. A LoRA
adapter adds B A to a layer's weights, so B is what is scaled; models between base and tuned keep more of the base's
other skills (Wortsman et al. 2022, *Robust fine-tuning of zero-shot models*, CVPR). Does not know why less is wanted.
Run: python -m tune.scale RUN SCALE. Exit code 0 done, 2 bad input; one clear line on stderr.
"""

import argparse
import json
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from nightschool.errors import InvalidInput, NightschoolError
from nightschool.files import MANIFEST, publish, read_manifest
from nightschool.run_files import ADAPTER, DONE, PROOF, scaled_run
from tune.recipe import read_recipe
from tune.run_record import CARD

WIDE: Final = ("lora_B.", "lora_embedding_B")
"""Of a tensor's name: the half of a pair that is 0 before training."""


def scale_run(run: Path, scale: float) -> Path:
    """The folder with the adapter. Raises InvalidInput."""
    target = scaled_run(run, scale)
    if read_manifest(target / ADAPTER) is not None:
        return target
    manifest = read_manifest(run / ADAPTER)
    if manifest is None or not (run / DONE).exists():
        raise InvalidInput("is no finished run", subject=str(run), remedy="Let its training end first.")
    if not 0 < scale < 1:
        raise InvalidInput(f"is {scale:g}", subject="the scale", remedy="Give one between 0 and 1.")
    recipe = read_recipe(run)
    from tune.log_probs import measure_log_probs, write_proof  # noqa: PLC0415 - torch takes seconds
    from tune.model import WEIGHTS, choose_device  # noqa: PLC0415

    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(run / ADAPTER, target / ADAPTER, ignore=shutil.ignore_patterns(MANIFEST))
    _scale_weights(target / ADAPTER / WEIGHTS, scale)
    card = target / ADAPTER / CARD
    scaled = f"\nScaled to {scale:g} of what was trained: the proof above is of all of it.\n"
    card.write_text(card.read_text(encoding="utf-8") + scaled, encoding="utf-8")
    texts = [text["token_ids"] for text in json.loads((run / PROOF).read_bytes())["texts"]]
    measured = measure_log_probs(
        recipe.base_model,
        target / ADAPTER,
        texts,
        device=choose_device(recipe.device),
        earlier={"the scaling": run / ADAPTER},
    )
    write_proof(target / PROOF, texts, measured)
    publish(target / ADAPTER, kind="adapter", about={**manifest.about, "scale": scale})
    return target


def _scale_weights(file: Path, scale: float) -> None:
    from safetensors.torch import load_file, save_file  # noqa: PLC0415

    weights = load_file(file)
    scaled = {
        name: tensor * scale if any(part in name for part in WIDE) else tensor for name, tensor in weights.items()
    }
    save_file(scaled, file, metadata={"format": "pt"})


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="tune.scale", description="Make a part of what a run learnt an adapter.")
    parser.add_argument("run", type=Path, help="folder of a finished run")
    parser.add_argument("scale", type=float, help="between 0 and 1: so much of it")
    options = parser.parse_args(arguments)
    try:
        scale_run(options.run, options.scale)
    except NightschoolError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
