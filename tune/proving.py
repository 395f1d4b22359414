"""Choose a few of a run's texts and write what base and adapter think of them: by it a server proves what it loaded.

Of some candidates those are taken on which base and adapter differ most, so that they can be told apart; the adapters
kept of earlier passes are proved by the same texts, and none is to be taken for its neighbour. Does not know how an
engine is asked (`deploy.proof`).
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from nightschool.run_files import ADAPTER, PROOF
from tune.encode import Encoded
from tune.passes import find_kept
from tune.recipe import Recipe

TEXTS: Final = 3
TOKENS: Final = 96
CANDIDATES: Final = 8
CONTEXT_TOKENS: Final = 24
"""Of the prompt, before the answer."""


def write_proofs(
    run: Path, rows: Sequence[Encoded], recipe: Recipe, *, device: str, earlier: Mapping[str, Path]
) -> None:
    """Of the run's adapter and of those kept; `earlier` are checkpoints that a server must not take for the former."""
    from tune.log_probs import measure_log_probs, write_proof  # noqa: PLC0415 - torch takes seconds

    texts = [_proof_text(row) for row in sorted(rows, key=lambda row: row.item_id)[:CANDIDATES]]
    others = {_behind(kept.step): kept.folder / ADAPTER for kept in find_kept(run)}
    measured = measure_log_probs(
        recipe.base_model, run / ADAPTER, texts, device=device, earlier={**earlier, **others}
    )  # fmt: skip
    furthest = sorted(zip(texts, measured, strict=True), key=lambda pair: -pair[1].distance)[:TEXTS]
    chosen = [text for text, _ in furthest]
    write_proof(run / PROOF, chosen, [of for _, of in furthest])
    _prove_kept(run, chosen, recipe, device=device)


def _prove_kept(run: Path, texts: Sequence[Sequence[int]], recipe: Recipe, *, device: str) -> None:
    from tune.log_probs import measure_log_probs, write_proof  # noqa: PLC0415

    kept = find_kept(run)
    later = [*(one.folder for one in kept[1:]), run]
    for number, one in enumerate(kept):
        neighbours = {f"its end at step {one.step}": later[number] / ADAPTER}
        if number:
            before = kept[number - 1]
            neighbours[_behind(before.step)] = before.folder / ADAPTER
        adapter = one.folder / ADAPTER
        found = measure_log_probs(recipe.base_model, adapter, texts, device=device, earlier=neighbours)
        write_proof(one.folder / PROOF, texts, found)


def _behind(step: int) -> str:
    return f"the steps behind {step}"


def _proof_text(row: Encoded) -> tuple[int, ...]:
    """The end of a row's first prompt and the beginning of its answer."""
    start = max(0, row.first_label - CONTEXT_TOKENS)
    return row.input_ids[start : start + TOKENS]
