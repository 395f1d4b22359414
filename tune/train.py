"""Train one adapter: all it knows is its run folder.

In: recipe.toml and the dataset folder it names. Out: metrics.jsonl (a line for each step), encoding.json (what was
cut), replay.json (general rows) and skipped.json (known ones) where they are ordered, stages.json (which methods ran,
and why others did not), checkpoints/, reward/ and made/ (where ordered), adapter/ (published, with its card),
proof.json, passes/ (adapters of earlier passes, where ordered), model/ (where the whole model learnt), tokenizer/,
plots/, run.json (versions, hashes, times) and, last, DONE.
Killable at any moment: started again it goes on from its last whole checkpoint, and a finished run returns at once.
On several GPUs it is several processes (`tune.team`), of which the first one writes.
Does not know bots, cycles or the engine.
Run: python -m tune.train RUN_DIR, or accelerate launch --num_processes N -m tune.train RUN_DIR. Exit code 0
done, 2 bad input, 1 anything else; one clear line on stderr.
"""

import argparse
import gc
import logging
import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final, NamedTuple

from nightschool.errors import InvalidInput, NightschoolError
from nightschool.files import publish, read_manifest, verify, write_atomic
from nightschool.identity import identify_base
from nightschool.methods import CHAIN
from nightschool.prompt import Neutraliser
from nightschool.run_files import ADAPTER, DONE
from tune.decontaminate import exam_turns
from tune.enough import check_enough
from tune.failure import note_failure
from tune.lessons import Lessons, Reader, tell_encoding
from tune.methods.course import CHECKPOINTS
from tune.plots import draw_losses
from tune.proving import write_proofs
from tune.recipe import Recipe, read_recipe
from tune.replay import Replay, gather_replay
from tune.resources import Resources, Room, keep_resources
from tune.run_record import Sources, write_model_card, write_run_record
from tune.stages import read_stages
from tune.start import Start, find_start
from tune.team import Seat, Team, follow_launcher, join, take_seat

log = logging.getLogger(__name__)

TOKENIZER: Final = "tokenizer"


def train(run: Path, *, seat: Seat = Seat()) -> None:
    """Bring the run in `run` to its end, together with those in the other seats.

    Raises InvalidInput, TrainingFailed, NotEnoughRows.
    """
    if (run / DONE).exists():
        return
    recipe = read_recipe(run)
    dataset = _check_dataset(Path(recipe.dataset))
    from tune import model as models  # noqa: PLC0415 - torch takes seconds, which a finished or faulty run must not
    from tune.methods.before import prepare  # noqa: PLC0415
    from tune.methods.chain import KEPT, REFERENCES, train_chain  # noqa: PLC0415
    from tune.methods.skip import skip_known  # noqa: PLC0415

    device = models.choose_device(recipe.device)
    tokenizer = models.load_tokenizer(recipe.base_model)
    reader = Reader(
        tokenizer,
        ends=models.read_end_tokens(tokenizer, recipe.base_model),
        max_tokens=recipe.max_tokens,
        neutraliser=Neutraliser(models.read_control_tokens(tokenizer)),
    )
    lessons = reader.read(dataset, with_held_out="reward" in recipe.methods, validates=recipe.validates)
    tell_encoding(run, lessons, max_tokens=recipe.max_tokens)
    check_enough(
        run,
        rows=len({imitated.row.item_id for imitated in lessons.imitated}),
        of=lessons.given,
        min_rows=recipe.min_examples,
        max_tokens=recipe.max_tokens,
    )
    start = find_start(recipe)
    with join(seat, device=device) as team:
        resources = team.by_first(lambda: _plan_resources(run, recipe, lessons, device=device))
        planned = recipe.model_copy(update={"micro_batch_size": resources.rows_at_once})
        lessons = skip_known(lessons, planned, run=run, device=device, team=team)
        learnt = prepare(lessons, planned, reader, dataset, run=run, device=device, team=team)
        mixed = _mix_in_replay(run, recipe, learnt, reader, tokenizer=tokenizer, device=device, team=team)
        last = train_chain(mixed, planned, start, run=run, device=device, team=team)
        team.wait()
    if not team.is_first:
        return
    gc.collect()
    ended = _reduce(last, recipe, tokenizer, run=run) if recipe.adapter == "full" else Ended(last, find_earlier(last))
    models.export_adapter(ended.last, run / ADAPTER, base_model=recipe.base_model)
    write_proofs(run, learnt.texts(), recipe, device=device, earlier=ended.earlier)
    sources = _describe(run, recipe, dataset, start, ended)
    about = _about(run, recipe, learnt, start) | ({} if ended.share is None else {"share": round(ended.share, 4)})
    manifest = publish(run / ADAPTER, kind="adapter", about=about)
    tokenizer.save_pretrained(run / TOKENIZER)
    draw_losses(run)
    machine = models.describe_machine(device, recipe, resources)
    write_run_record(run, recipe, sources, machine=machine, adapter_hash=manifest.content_hash)
    write_atomic(run / DONE, manifest.content_hash + "\n")
    # The run is done: what cannot be removed costs disk alone.
    for spare in (CHECKPOINTS, REFERENCES, KEPT):
        shutil.rmtree(run / spare, ignore_errors=True)


class Ended(NamedTuple):
    """What a training ended with, as adapters."""

    last: Path
    earlier: Mapping[str, Path]
    """See `find_earlier`."""
    share: float | None = None
    """Of what a whole model learnt, that the adapter holds."""


def _check_dataset(folder: Path) -> Path:
    manifest = read_manifest(folder)
    if manifest is None or manifest.kind != "dataset":
        raise InvalidInput("is not a finished dataset", subject=str(folder), remedy="Build it, then start again.")
    verify(folder)
    return folder


def _mix_in_replay(
    run: Path, recipe: Recipe, lessons: Lessons, reader: Reader, *, tokenizer: Any, device: str, team: Team
) -> Lessons:
    """The lessons, and what the recipe orders of general rows. Raises InvalidInput."""
    if recipe.replay == "none" or "sft" not in recipe.methods:
        return lessons
    from tune.frozen import frozen_base  # noqa: PLC0415

    is_quantized = recipe.adapter == "qlora"

    def gather() -> Replay | None:
        with frozen_base(recipe.base_model, tokenizer, device=device, is_quantized=is_quantized) as base:
            return gather_replay(
                run,
                recipe,
                rows=len(lessons.imitated),
                base=identify_base(recipe.base_model) + (" in 4 bits" if is_quantized else ""),
                exam=lambda: exam_turns(Path(recipe.dataset), map(Path, recipe.suites)),
                generate=base,
            )

    replay = team.by_first(gather)
    if replay is None:
        return lessons
    log.info("mixed in: %s", replay.describe())
    return lessons.with_replay(
        reader.read_chats((row.item_id, row.messages) for row in replay.rows), weight=replay.weight
    )


def find_earlier(last: Path) -> dict[str, Path]:
    """The checkpoint before the `last` one of a stage, by what was learnt since; empty where none is kept."""
    steps = sorted(int(found.name.rpartition("-")[2]) for found in last.parent.glob("checkpoint-*"))
    return {f"the steps behind {step}": last.with_name(f"checkpoint-{step}") for step in steps[-2:-1]}


def _plan_resources(run: Path, recipe: Recipe, lessons: Lessons, *, device: str) -> Resources:
    """How many rows are computed at once: what the recipe orders, or else what memory allows."""
    from tune import model as models  # noqa: PLC0415

    def measure() -> Room:
        return models.measure_room(recipe, device=device, row_tokens=lessons.longest_row)

    planned = keep_resources(run, ordered=recipe.micro_batch_size, measure=measure)
    log.info("device=%s dtype=%s %s", device, models.choose_dtype(device), planned.describe())
    return planned


def _reduce(last: Path, recipe: Recipe, tokenizer: Any, *, run: Path) -> Ended:
    """Make adapters of whole models, the last of which is kept."""
    from tune.whole import MODEL, write_model, write_nearest  # noqa: PLC0415

    write_model(last, tokenizer, target=run / MODEL)
    nearest = run / CHECKPOINTS / "nearest"
    share = write_nearest(last, recipe, target=nearest / last.name)
    earlier = find_earlier(last)
    for checkpoint in earlier.values():
        write_nearest(checkpoint, recipe, target=nearest / checkpoint.name)
    return Ended(nearest / last.name, {words: nearest / path.name for words, path in earlier.items()}, share)


def _describe(run: Path, recipe: Recipe, dataset: Path, start: Start, ended: Ended) -> Sources:
    """Write the adapter's card; what the adapter was made of."""
    manifest = verify(dataset)
    sources = Sources(identify_base(recipe.base_model), manifest.content_hash, start.content_hash, ended.share)
    write_model_card(run, recipe, sources)
    return sources


def _about(run: Path, recipe: Recipe, lessons: Lessons, start: Start) -> dict[str, str | int | float | None]:
    return {
        "base_model": Path(recipe.base_model).name,
        "dataset": Path(recipe.dataset).name,
        "start": start.content_hash[:16] or "base",
        "methods": "+".join(line.method for line in read_stages(run) if line.ran and line.method in CHAIN),
        "learner": recipe.adapter,
        "rank": recipe.rank,
        "alpha": recipe.alpha,
        "layers_share": recipe.layers_share,
        **({"made_rows": lessons.made} if lessons.made else {}),
        **asdict(lessons.imitated_report),
    }


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="tune.train", description="Train one adapter.")
    parser.add_argument("run", type=Path, help="run folder that holds recipe.toml")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    os.environ.setdefault("TQDM_DISABLE", "1")  # bars would fill the log
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")  # what is trained here is nobody's business
    try:
        seat = take_seat(os.environ)
        if seat.size > 1:
            follow_launcher()
        train(options.run, seat=seat)
    except NightschoolError as error:
        note_failure(options.run, error)
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    except BaseException as error:
        note_failure(options.run, error)
        raise
    return 0


if __name__ == "__main__":
    sys.exit(main())
