"""Train one adapter: all it knows is its run folder.

In: recipe.toml and the dataset folder it names. Out: metrics.jsonl (a line for each step), encoding.json (what was
cut), checkpoints/, adapter/ (published; with proof.json) and, last, DONE. Killable at any moment: started again it goes
on from its last whole checkpoint, and a finished run returns at once. Does not know bots, cycles or the engine.
Run: python -m tune.train RUN_DIR. Exit code 0 done, 2 bad input, 1 anything else; one clear line on stderr.
"""

import argparse
import gc
import json
import logging
import os
import shutil
import sys
from collections.abc import Collection, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Final

from nightschool.errors import InvalidInput, NightschoolError
from nightschool.files import publish, read_manifest, verify, write_atomic
from nightschool.prompt import Neutraliser
from tune.encode import ChatTokenizer, Encoded, EncodedRows, EncodeReport, encode_rows
from tune.recipe import Recipe, read_recipe
from tune.rows import TRAIN, read_sft_rows

log = logging.getLogger(__name__)

DONE: Final = "DONE"
ADAPTER: Final = "adapter"
ENCODING: Final = "encoding.json"
PROOF: Final = "proof.json"
PROOF_TEXTS: Final = 3
PROOF_TOKENS: Final = 96
PROOF_CANDIDATES: Final = 8
PROOF_CONTEXT_TOKENS: Final = 24
"""Of the prompt, before the answer."""


def train(run: Path) -> None:
    """Bring the run in `run` to its end. Raises InvalidInput, TrainingFailed."""
    if (run / DONE).exists():
        return
    recipe = read_recipe(run)
    dataset = _check_dataset(Path(recipe.dataset))
    from tune import model as models  # noqa: PLC0415 - torch takes seconds, which a finished or faulty run must not
    from tune.methods.sft import CHECKPOINTS, train_sft  # noqa: PLC0415

    device = models.choose_device(recipe.device)
    tokenizer = models.load_tokenizer(recipe.base_model)
    neutraliser = Neutraliser(models.read_control_tokens(tokenizer))
    ends = models.read_end_tokens(tokenizer, recipe.base_model)
    encoded = _encode(run, dataset, recipe, tokenizer=tokenizer, ends=ends, neutraliser=neutraliser)
    base = models.load_base(recipe.base_model, device=device, dtype=models.choose_dtype(device))
    adapted = models.add_adapter(base, recipe)
    last = train_sft(adapted, tokenizer, encoded.rows, recipe=recipe, run=run, device=device)
    del base, adapted
    gc.collect()
    models.export_adapter(last, run / ADAPTER, base_model=recipe.base_model)
    _write_proof(run / ADAPTER, encoded.rows, recipe, device=device)
    manifest = publish(run / ADAPTER, kind="adapter", about=_about(recipe, encoded.report))
    write_atomic(run / DONE, manifest.content_hash + "\n")
    shutil.rmtree(run / CHECKPOINTS)


def _check_dataset(folder: Path) -> Path:
    manifest = read_manifest(folder)
    if manifest is None or manifest.kind != "dataset":
        raise InvalidInput("is not a finished dataset", subject=str(folder), remedy="Build it, then start again.")
    verify(folder)
    return folder


def _encode(
    run: Path,
    dataset: Path,
    recipe: Recipe,
    *,
    tokenizer: ChatTokenizer,
    ends: Collection[str],
    neutraliser: Neutraliser,
) -> EncodedRows:
    """The training rows as tokens; encoding.json and the log say what had to be cut."""
    rows = ((row.item_id, row.messages) for row in read_sft_rows(dataset / TRAIN))
    encoded = encode_rows(rows, tokenizer, ends=ends, max_tokens=recipe.max_tokens, neutraliser=neutraliser)
    report = encoded.report
    if report.neutralised_rows:
        log.warning("control tokens of the chat template were broken up in %d rows", report.neutralised_rows)
    write_atomic(run / ENCODING, json.dumps(asdict(report), indent=2) + "\n")
    if report.truncated_rows or report.too_long_rows:
        log.warning(
            "max_tokens=%d: %d rows lost %d of their oldest turns (%d answers), %d rows were too long and left out",
            recipe.max_tokens, report.truncated_rows, report.lost_turns, report.lost_answers, report.too_long_rows,
        )  # fmt: skip
    if not encoded.rows:
        raise InvalidInput(
            f"holds no training row of at most {recipe.max_tokens} tokens",
            subject=str(dataset),
            remedy="Import conversations, or raise max_tokens in the recipe.",
        )
    return encoded


def _write_proof(adapter: Path, rows: Sequence[Encoded], recipe: Recipe, *, device: str) -> None:
    """Log-probabilities of a few texts under base and adapter, by which a server proves what it has loaded.

    Of some candidates those are taken on which base and adapter differ most, so that they can be told apart.
    """
    from tune.model import measure_log_probs  # noqa: PLC0415

    texts = [_proof_text(row) for row in sorted(rows, key=lambda row: row.item_id)[:PROOF_CANDIDATES]]
    measured = measure_log_probs(recipe.base_model, adapter, texts, device=device)
    proofs = [
        {"token_ids": text, "base_logprobs": of.base, "adapter_logprobs": of.adapter, "without": of.without}
        for text, of in sorted(zip(texts, measured, strict=True), key=lambda pair: -pair[1].distance)
    ]
    write_atomic(adapter / PROOF, json.dumps({"texts": proofs[:PROOF_TEXTS]}) + "\n")


def _proof_text(row: Encoded) -> tuple[int, ...]:
    """The end of a row's first prompt and the beginning of its answer."""
    start = max(0, row.first_label - PROOF_CONTEXT_TOKENS)
    return row.input_ids[start : start + PROOF_TOKENS]


def _about(recipe: Recipe, report: EncodeReport) -> dict[str, str | int | float | None]:
    return {
        "base_model": Path(recipe.base_model).name,
        "dataset": Path(recipe.dataset).name,
        "method": recipe.method,
        "rank": recipe.rank,
        "alpha": recipe.alpha,
        **asdict(report),
    }


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="tune.train", description="Train one adapter.")
    parser.add_argument("run", type=Path, help="run folder that holds recipe.toml")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    os.environ.setdefault("TQDM_DISABLE", "1")  # bars would fill the log
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "0")  # TRL refuses to find several without a launcher
    try:
        train(options.run)
    except NightschoolError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
