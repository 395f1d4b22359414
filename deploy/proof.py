"""Prove that what an engine has loaded is what it claims to be.

vLLM ignores unknown modules silently and never checks the base model's identity, so a load is proved: the engine's
log-probabilities of fixed texts must agree with those that PEFT computed after training (`proof.json` beside the
weights) and, where the adapter says anything at all, be nearer to them than to the base model's.
"""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple, Protocol

from pydantic import BaseModel, ConfigDict

from nightschool.engine import Engine
from nightschool.errors import EngineError, InvalidInput
from nightschool.files import read_manifest, verify

PROOF: Final = "proof.json"
MAX_DISTANCE: Final = 0.15
"""Mean |log-probability - reference| that bf16 explains: measured .03 to .05; another model's is .3 and more."""


class ProofText(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    token_ids: tuple[int, ...]
    base_logprobs: tuple[float, ...]
    """Of tokens 1..n under the base model; length `len(token_ids) - 1`."""
    adapter_logprobs: tuple[float, ...]
    """The same under the adapter."""


class Proof(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    texts: tuple[ProofText, ...]


class Distances(NamedTuple):
    """Mean absolute differences of log-probabilities, in nats."""

    to_adapter: float
    to_base: float
    between_references: float


class Prover(Protocol):
    async def __call__(self, engine: Engine, model: str, folder: Path, /) -> None:
        """Returns where the engine serves the adapter of `folder` as `model`. Raises EngineError where it does not."""
        ...


async def prove_load(engine: Engine, model: str, folder: Path) -> None:
    """See `Prover`. Raises InvalidInput where the folder was never finished or has no proof."""
    if read_manifest(folder) is None:
        raise InvalidInput("has no manifest", subject=str(folder), remedy="It was never finished; train it again.")
    path = folder / PROOF
    if not path.exists():
        raise InvalidInput("has no proof.json", subject=str(folder), remedy="Train the adapter again.")
    found = await measure_distances(engine, model, Proof.model_validate_json(path.read_bytes()))
    is_near = found.to_adapter <= MAX_DISTANCE
    can_tell = found.between_references > MAX_DISTANCE
    if not is_near or (can_tell and found.to_base <= found.to_adapter):
        raise EngineError(
            f"the engine's answers are not those of this adapter (distance {found.to_adapter:.3f} to the adapter, "
            f"{found.to_base:.3f} to the base model)",
            subject=model,
            remedy="Check that engine.model is the base it was trained on; the route was not changed.",
        )


async def measure_distances(engine: Engine, model: str, proof: Proof) -> Distances:
    """How far the engine's `model` stands from both references of the proof."""
    to_adapter: list[float] = []
    to_base: list[float] = []
    between: list[float] = []
    for text in proof.texts:
        served = await engine.token_logprobs(model, text.token_ids)
        to_adapter += [abs(s - r) for s, r in zip(served, text.adapter_logprobs, strict=True)]
        to_base += [abs(s - r) for s, r in zip(served, text.base_logprobs, strict=True)]
        between += [abs(a - b) for a, b in zip(text.adapter_logprobs, text.base_logprobs, strict=True)]
    return Distances(_mean(to_adapter), _mean(to_base), _mean(between))


async def take_on_trust(_engine: Engine, _model: str, _folder: Path) -> None:
    """The prover of `EchoEngine`, which has no weights to prove."""


def check_files(folder: Path, *, content_hash: str) -> None:
    """Raises InvalidInput where the folder's files are not those that the record knows by `content_hash`.

    A folder without a manifest says nothing of itself; whether one is wanted is the prover's to say.
    """
    if read_manifest(folder) is not None and verify(folder).content_hash != content_hash:
        raise InvalidInput(
            f"holds other weights than the record says ({content_hash[:12]})",
            subject=str(folder),
            remedy="Restore the folder from a backup, or roll back to another version.",
        )


async def load_proved(engine: Engine, model: str, folder: Path, *, content_hash: str, prove: Prover) -> None:
    """Check the files, load and prove; what fails its proof is unloaded again before the error goes on.

    A name that is loaded already is proved like any other. Raises Busy where it is loaded from another folder.
    """
    await asyncio.to_thread(check_files, folder, content_hash=content_hash)
    await engine.load_adapter(model, folder)
    try:
        await prove(engine, model, folder)
    except BaseException:
        await engine.unload_adapter(model)
        raise


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
