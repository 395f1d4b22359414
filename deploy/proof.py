"""Prove that what an engine has loaded is what it claims to be.

vLLM ignores unknown modules silently and never checks the base model's identity, so a load is proved: the engine's
log-probabilities of fixed texts must agree with those that PEFT computed after training (a file of the server's own,
`Home.proof`), by a bound relative to how far the adapter moved, and lie nearer to them than to those of the adapter
less any one kind of layer, part of its depth, or the last steps of its training. What cannot be told from the base
model is refused. Neighbours that lie nearer to one another than `SEPARATION` noises over all tokens of the proof are
alike to it: which of the two is loaded is known by the files' hash and the engine's word only, and the log says so.
"""

import asyncio
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple, Protocol

from pydantic import BaseModel, ConfigDict, ValidationError

from nightschool.engine import Engine
from nightschool.errors import EngineError, InvalidInput
from nightschool.files import read_manifest, verify
from nightschool.home import Home
from nightschool.records import Adapter
from nightschool.run_files import PROOF

log = logging.getLogger(__name__)

NOISE: Final = 0.05
"""|log-probability - reference| of one token that bf16 explains: measured .03 to .05 in the mean."""
FLOOR: Final = 0.08
"""Mean distance to its reference that an honest load may show however little it moved."""
MAX_DISTANCE: Final = 0.15
"""And however far it moved; another model's is .3 and more."""
NEAR: Final = 0.25
"""Of the way from the base model to the adapter: so far may a load lie from the adapter."""
SEPARATION: Final = 8.0
"""Noises that must lie between two references before halfway between them tells them apart."""


class ProofText(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    token_ids: tuple[int, ...]
    base_logprobs: tuple[float, ...]
    """Of tokens 1..n under the base model; length `len(token_ids) - 1`."""
    adapter_logprobs: tuple[float, ...]
    """The same under the adapter."""
    without: dict[str, tuple[float, ...]] = {}
    """The same under the adapter less one of its parts; older proofs have none."""


class Proof(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    texts: tuple[ProofText, ...]


class AdapterFiles(NamedTuple):
    """What is to be loaded, and by what it is proved."""

    folder: Path
    proof: Path
    content_hash: str
    """Of the folder, as the record knows it."""


class Way(NamedTuple):
    """Where a load lies on the way from another reference (0) to the adapter's (1).

    A projection over all tokens, in which the noise of single tokens cancels out.
    """

    place: float
    separation: float
    """Length of the way, in noises."""

    @property
    def is_told_apart(self) -> bool:
        return self.separation >= SEPARATION


class Distances(NamedTuple):
    """Mean absolute differences of log-probabilities, in nats."""

    to_adapter: float
    to_base: float
    between_references: float
    from_base: Way
    """From the base model's reference to the adapter's."""
    from_parts: dict[str, Way]
    """The same from the adapter less one of its parts."""


class Prover(Protocol):
    async def __call__(self, engine: Engine, model: str, files: AdapterFiles, /) -> None:
        """Returns where the engine serves the adapter of `files` as `model`. Raises EngineError where it does not."""
        ...


def files_of(adapter: Adapter, *, home: Home) -> AdapterFiles:
    """Where an adapter that the record knows lies. One of an older Nightschool has its proof among its weights."""
    folder, proof = home.root / adapter.folder, home.proof(adapter.bot, adapter.content_hash)
    return AdapterFiles(folder, proof if proof.exists() else folder / PROOF, adapter.content_hash)


async def prove_load(engine: Engine, model: str, files: AdapterFiles) -> None:
    """See `Prover`. Raises InvalidInput where the folder was never finished or there is no proof of it."""
    await measure_load(engine, model, files)


async def measure_load(engine: Engine, model: str, files: AdapterFiles) -> Distances:
    """How near a load that proves itself is to what it should be; else raises what `prove_load` does."""
    found = await measure_distances(engine, model, _read_proof(files))
    if not found.from_base.is_told_apart:
        raise EngineError(
            f"cannot be told from the base model (it moved {found.between_references:.3f} nats a token)",
            subject=model,
            remedy="Train it for longer or at a higher learning rate; the route was not changed.",
        )
    bound = min(MAX_DISTANCE, max(FLOOR, NEAR * found.between_references))
    is_near = found.to_adapter <= bound and abs(found.from_base.place - 1) <= NEAR
    lacking = [part for part, way in found.from_parts.items() if way.is_told_apart and way.place < 0.5]
    if not is_near or lacking:
        what = f"; it lacks {', '.join(lacking)}" if lacking else ""
        raise EngineError(
            f"the engine's answers are not those of this adapter (distance {found.to_adapter:.3f} to the adapter, "
            f"{found.to_base:.3f} to the base model{what})",
            subject=model,
            remedy="Check that engine.model is the base it was trained on; the route was not changed.",
        )
    unseen = [part for part, way in found.from_parts.items() if not way.is_told_apart]
    if unseen:
        log.info("adapter=%s proved, but for parts that do too little to be seen: %s", model, ", ".join(unseen))
    return found


async def measure_distances(engine: Engine, model: str, proof: Proof) -> Distances:
    """How the engine's `model` stands to all references of the proof."""
    served = [value for text in proof.texts for value in await engine.token_logprobs(model, text.token_ids)]
    adapter = [value for text in proof.texts for value in text.adapter_logprobs]
    base = [value for text in proof.texts for value in text.base_logprobs]
    parts = set.intersection(*(set(text.without) for text in proof.texts))
    without = {part: [value for text in proof.texts for value in text.without[part]] for part in sorted(parts)}
    return Distances(
        to_adapter=_distance(served, adapter),
        to_base=_distance(served, base),
        between_references=_distance(adapter, base),
        from_base=_way(served, start=base, end=adapter),
        from_parts={part: _way(served, start=values, end=adapter) for part, values in without.items()},
    )


async def take_on_trust(_engine: Engine, _model: str, _files: AdapterFiles) -> None:
    """The prover of `EchoEngine`, which has no weights to prove."""


def check_files(files: AdapterFiles) -> None:
    """Raises InvalidInput where the folder's files are not those that the record knows by their content hash.

    A folder without a manifest says nothing of itself; whether one is wanted is the prover's to say.
    """
    if read_manifest(files.folder) is not None and verify(files.folder).content_hash != files.content_hash:
        raise InvalidInput(
            f"holds other weights than the record says ({files.content_hash[:12]})",
            subject=str(files.folder),
            remedy="Restore the folder from a backup, or roll back to another version.",
        )


async def load_proved(engine: Engine, model: str, files: AdapterFiles, *, prove: Prover) -> None:
    """Check the files, load and prove; what fails its proof is unloaded again before the error goes on.

    A name that is loaded already is proved like any other. Raises Busy where it is loaded from another folder.
    """
    await asyncio.to_thread(check_files, files)
    await engine.load_adapter(model, files.folder)
    try:
        await prove(engine, model, files)
    except BaseException:
        await engine.unload_adapter(model)
        raise


def _read_proof(files: AdapterFiles) -> Proof:
    if read_manifest(files.folder) is None:
        raise InvalidInput(
            "has no manifest", subject=str(files.folder), remedy="It was never finished; train it again."
        )
    try:
        return Proof.model_validate_json(files.proof.read_bytes())
    except FileNotFoundError:
        raise InvalidInput("has no proof", subject=str(files.folder), remedy="Train the adapter again.") from None
    except ValidationError:
        raise InvalidInput(
            "is no proof that can be read", subject=str(files.proof), remedy="Restore it, or train the adapter again."
        ) from None


def _distance(ones: Sequence[float], others: Sequence[float]) -> float:
    return sum(abs(one - other) for one, other in zip(ones, others, strict=True)) / len(ones)


def _way(served: Sequence[float], *, start: Sequence[float], end: Sequence[float]) -> Way:
    steps = [b - a for a, b in zip(start, end, strict=True)]
    length = sum(step * step for step in steps)
    gone = sum((value - a) * step for value, a, step in zip(served, start, steps, strict=True))
    return Way(gone / length if length else 1.0, length**0.5 / NOISE)
