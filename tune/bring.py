"""Make of a folder from outside an adapter that can be served and proved: a PEFT adapter, or a whole model.

In: a folder with `order.json` (`tune.brought.BringOrder`). Out: `adapter/`, published, `proof.json`, and last
`found.json`, which also says why there is none. An adapter's weights must be finite, in pairs, of the base model's
shapes and on layers that the engine serves. A whole model must have been trained from this very base model, with its
tokenizer and chat template; as ordered it stays one, or becomes the adapter of the largest rank that is served and
nearest to it, unless that says too little of what it says. Does not
know bots, the record or the engine.
Run: python -m tune.bring FOLDER. Exit code 0 wherever `found.json` was written.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple

import torch
from peft import PeftModel
from transformers import PreTrainedModel

from nightschool.errors import InvalidInput
from nightschool.files import publish, write_atomic
from nightschool.records import ChatMessage
from nightschool.run_files import ADAPTER, PROOF
from nightschool.weights import ALONE
from tune import model as models
from tune.brought import FOUND, ORDER, BringOrder, Found, choose_files
from tune.brought_weights import check_moved, load_whole, write_adapter, write_whole
from tune.encode import as_served, render_chat, token_ids
from tune.generate import generate
from tune.log_probs import LogProbs, measure_log_probs, read_log_probs, write_proof
from tune.recipe import Recipe
from tune.replay import read_prompts
from tune.whole import fit_adapter

LEAST_SAID: Final = 0.5
"""Of the way from the base's words to the whole model's: an adapter that is nearer to the base is another model."""
LARGER_RANKS: Final = (8, 16, 32, 64, 128, 256, 512)
QUESTIONS: Final = 8
PROOF_TEXTS: Final = 3
ANSWER_TOKENS: Final = 64
CONTEXT_TOKENS: Final = 24
"""Of the prompt, before the answer."""
Texts = Sequence[tuple[int, ...]]


class Fitted(NamedTuple):
    share: float
    said: float


def bring(work: Path) -> Found:
    """See the module. Raises InvalidInput."""
    order = BringOrder.model_validate_json((work / ORDER).read_bytes())
    folder = Path(order.folder)
    kind = choose_files([path.name for path in folder.iterdir()], subject=order.name).kind
    device = models.choose_device("auto")
    if order.is_served_whole:
        return _bring_whole(folder, kind, order, work=work, device=device)
    if kind == "adapter":
        rank = write_adapter(folder, order, target=work / ADAPTER)
        found = Found(kind="adapter", rank=rank)
        texts = _answer(PeftModel.from_pretrained(_load(order.base_model, device), work / ADAPTER), order)
    else:
        found, texts = _bring_model(folder, order, target=work / ADAPTER, device=device)
    measured = measure_log_probs(order.base_model, work / ADAPTER, texts, device=device)
    _write_proof(work, texts, measured)
    shares = {"share": found.share, "said": found.said} if kind == "model" else {}
    about = {"base_model": Path(order.base_model).name, "learner": f"brought as {kind}", "rank": found.rank, **shares}
    publish(work / ADAPTER, kind="adapter", about=about)
    return found


def _bring_whole(folder: Path, kind: str, order: BringOrder, *, work: Path, device: str) -> Found:
    """The model as the engine serves it, and its proof."""
    if kind == "adapter":
        raise InvalidInput(
            "is an adapter, which is served on the base model",
            subject=order.name,
            remedy="Add it without --as.",
        )
    whole: Any = load_whole(folder, order, dtype=_dtype(device), device=device)
    base: Any = _load(order.base_model, device)
    check_moved(base, whole, subject=order.name)
    write_whole(whole, base, order, target=work / ADAPTER)
    if order.is_alone:
        (work / ADAPTER / ALONE).write_text("It has the engine to itself while it answers.\n", encoding="utf-8")
    # As it was written, so that the proof is of what is served.
    served: Any = models.load_base(str(work / ADAPTER), device=device, dtype=_dtype(device))
    texts = _answer(served, order)
    measure = partial(read_log_probs, device=device)
    with torch.inference_mode():
        measured = [LogProbs(base=measure(base, text), adapter=measure(served, text), without={}) for text in texts]
    _write_proof(work, texts, measured)
    learner = "brought as model, served whole"
    publish(work / ADAPTER, kind="model", about={"base_model": Path(order.base_model).name, "learner": learner})
    return Found(kind="model", is_whole=True)


def _write_proof(work: Path, texts: Texts, measured: Sequence[LogProbs]) -> None:
    """Of the texts by which base and what was brought are told apart best."""
    furthest = sorted(zip(texts, measured, strict=True), key=lambda pair: -pair[1].distance)[:PROOF_TEXTS]
    write_proof(work / PROOF, [text for text, _ in furthest], [of for _, of in furthest])


class _Whole(NamedTuple):
    found: Found
    texts: Texts


def _bring_model(folder: Path, order: BringOrder, *, target: Path, device: str) -> _Whole:
    whole = load_whole(folder, order, dtype=_dtype(device), device=device)
    check_moved(_load(order.base_model, device), whole, subject=order.name)
    texts = _answer(whole, order)
    wanted = [read_log_probs(whole, text, device=device) for text in texts] if texts else []
    checkpoint = target.with_name("nearest")

    def fit(rank: int) -> Fitted:
        base: Any = _load(order.base_model, device)
        with torch.inference_mode():
            before = [read_log_probs(base, text, device=device) for text in texts]
        recipe = Recipe(base_model=order.base_model, dataset="none", rank=rank, alpha=rank)
        share = fit_adapter(base, whole, recipe, target=checkpoint)
        with torch.inference_mode():  # the base wears the adapter now
            after = [read_log_probs(base, text, device=device) for text in texts]
        return Fitted(round(share, 4), round(_place(before, after, wanted), 4))

    nearest = fit(order.max_rank)
    if nearest.said < LEAST_SAID:
        enough = next((rank for rank in LARGER_RANKS if rank > order.max_rank and fit(rank).said >= LEAST_SAID), None)
        raise _too_far(order.name, nearest, order.max_rank, enough=enough)
    models.export_adapter(checkpoint, target, base_model=order.base_model)
    return _Whole(Found(kind="model", rank=order.max_rank, share=nearest.share, said=nearest.said), texts)


def _answer(model: Any, order: BringOrder) -> Texts:
    """The ends of some prompts with what the model answers: the bot's own questions first, then general ones."""
    plain = models.load_tokenizer(order.base_model)
    tokenizer = as_served(plain)
    system = [ChatMessage(role="system", content=order.system_prompt)] if order.system_prompt else []
    asked = [*order.questions, *read_prompts()][:QUESTIONS]
    chats = [[*system, ChatMessage(role="user", content=question)] for question in asked]
    prompts = [token_ids(render_chat("of the proof", chat, tokenizer, is_prompt=True), tokenizer) for chat in chats]
    ends = models.read_end_ids(plain, order.base_model)
    answers = generate(model, prompts, end_ids=ends, max_new_tokens=ANSWER_TOKENS)
    return [(*prompt[-CONTEXT_TOKENS:], *said.ids) for prompt, said in zip(prompts, answers, strict=True)]


def _place(
    before: Sequence[Sequence[float]], after: Sequence[Sequence[float]], wanted: Sequence[Sequence[float]]
) -> float:
    """Where `after` stands on the way from `before` to `wanted`, over all tokens: a projection."""
    way = gone = 0.0
    for start, now, end in zip(before, after, wanted, strict=True):
        for a, b, c in zip(start, now, end, strict=True):
            way += (c - a) ** 2
            gone += (b - a) * (c - a)
    return gone / way if way else 1.0


def _too_far(subject: str, nearest: Fitted, rank: int, *, enough: int | None) -> InvalidInput:
    raising = f"Raise engine.max_lora_rank to {enough} and add it again" if enough else "No adapter comes near enough"
    return InvalidInput(
        f"is too far from an adapter: the nearest one of rank {rank} holds {nearest.share:.0%} of what was learnt and "
        f"goes {nearest.said:.0%} of the way to what the model says (at least {LEAST_SAID:.0%} is wanted)",
        subject=subject,
        remedy=f"{raising}; or have it served whole (--as whole), or to every bot (engine.model).",
    )


def _dtype(device: str) -> torch.dtype:
    return torch.float32 if device == "cpu" else torch.bfloat16


def _load(base_model: str, device: str) -> PreTrainedModel:
    return models.load_base(base_model, device=device, dtype=_dtype(device))


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="tune.bring", description="Make an adapter of a folder from outside.")
    parser.add_argument("folder", type=Path)
    options = parser.parse_args(arguments)
    os.environ.setdefault("TQDM_DISABLE", "1")  # bars would fill the log
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    try:
        found = bring(options.folder)
    except InvalidInput as error:
        found = Found(subject=error.subject, problem=error.problem, remedy=error.remedy)
    write_atomic(options.folder / FOUND, found.model_dump_json() + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
