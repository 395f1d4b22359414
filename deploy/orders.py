"""What a bot's file orders: a recipe for `tune`, rules for `eval`, and how much data a night wants.

The rooms below know no bots; here their own words are filled in from the bot's. Pure.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Final

from deploy.plan import Decision
from deploy.rollout import Route
from deploy.stages import GATE, in_production
from eval.answers import Contestant, Label
from eval.judge import JudgeOrder
from eval.rules import GateRules
from eval.shown import GuardOrder
from eval.suite.registry import SuiteOrder
from eval.suites import count_witnesses, read_suite
from eval.votes import choose_votes, read_held_votes
from nightschool.bots import Bot
from nightschool.knowledge import Search, find_nothing
from nightschool.methods import ANSWERING
from nightschool.records import BASE, Adapter, Event, Outcome, Sampling, Stage
from nightschool.timetable import SchedulePart
from tune.bounds import Bounds
from tune.dataset import DatasetSummary
from tune.grounding import Grounding
from tune.masking import Privacy
from tune.recipe import Recipe

EXAM_SHARE: Final = 0.2
"""Of the time a night has: what comes behind training wants that."""


def recipe_of(
    bot: Bot,
    *,
    base_model: str,
    dataset: Path,
    production: Path | None = None,
    replay: Path | None = None,
    kept: Path | None = None,
) -> Recipe:
    """How the night trains; `production` is the folder of the adapter that is live, None for the base model, `replay`
    where base models' answers are kept, and `kept` where what they make of rows is."""
    wanted = bot.recipe.model_dump(include=Recipe.model_fields.keys() - {"start"})
    start = str(production) if production and bot.recipe.start == "production" else ""
    is_asked = "rejection" in bot.recipe.methods or bot.recipe.skip_loss > 0
    speaker = str(production) if production and is_asked else ""
    # A run that was cut off may go on under a server that was started elsewhere.
    wanted["suites"] = tuple(str(Path(suite).absolute()) for suite in bot.recipe.suites)
    if bot.recipe.replay_rows:
        wanted["replay_rows"] = str(Path(bot.recipe.replay_rows).absolute())
    asked = bot.distill.model_dump() if "distill" in bot.recipe.methods else {}
    wanted |= {f"distill_{key}": value for key, value in asked.items()}
    wanted |= {"dataset": str(dataset), "start": start, "speaker": speaker}
    wanted |= {"replay_folder": str(replay or ""), "kept": str(kept or "")}
    return Recipe(base_model=base_model, **wanted)


def questions_of(bot: Bot) -> int:
    """How many a dataset is to hold that nobody answered well; none where no method answers them."""
    return bot.recipe.questions if ANSWERING & set(bot.recipe.methods) else 0


def training_ends(schedule: SchedulePart, *, began: datetime, now: datetime) -> datetime | None:
    """When a training must be done so that the exam behind it is by `schedule.done_by` too; None where it may take its
    time. A night that goes on when its time is over has that until the next such hour."""
    due = schedule.due_at(after=began)
    if due is not None and due <= now:
        began, due = now, schedule.due_at(after=now)
    return due and due - EXAM_SHARE * (due - began)


def bounds_of(bot: Bot) -> Bounds:
    """How much one person can move."""
    wanted = bot.recipe
    return Bounds(
        train_share=wanted.person_train_share,
        exam_share=wanted.person_exam_share,
        address_train_share=wanted.address_train_share,
        votes_a_day=wanted.votes_a_day,
        address_votes_a_day=wanted.address_votes_a_day,
        burst_votes=wanted.burst_votes,
        weighs_persons=wanted.weighs_persons,
        agreeing_persons=wanted.agreeing_persons,
    )


def privacy_of(bot: Bot, *, kept: Path) -> Privacy | None:
    """What is taken out of rows before they are learnt from; `kept`: where what was found stays for the next night."""
    wanted = bot.privacy
    return None if wanted.mask == "off" else Privacy(names=wanted.mask == "names", allow=wanted.allow, kept=kept)


def grounding_of(bot: Bot) -> Grounding | None:
    """How passages stand in the rows; None for a bot whose answers stand on nothing."""
    if not bot.knowledge.is_grounded:
        return None
    wanted = bot.recipe
    return Grounding(
        missing_share=wanted.passages_missing,
        none_share=wanted.passages_none,
        hand_overs=(bot.knowledge.hand_over, *bot.knowledge.hand_over_also),
        seed=wanted.split_seed,
    )


def guard_of(bot: Bot, *, search: Search) -> GuardOrder | None:
    """How the exam holds back what a chat would; None for a bot that holds nothing back."""
    wanted = bot.knowledge
    if not wanted.is_grounded or wanted.guard != "hold":
        return None
    return GuardOrder(wanted, partial(search, bot.bot_name))


def rules_of(bot: Bot, *, alpha: float | None = None) -> GateRules:
    """What the candidate must show; `alpha` is what its gain may risk tonight, None outside of a night."""
    return GateRules(**bot.gate.model_dump(), tonight=bot.gate.alpha if alpha is None else alpha)


def suites_of(bot: Bot, *, dataset: Path, own: Path, search: Search = find_nothing) -> SuiteOrder:
    """What the exam asks beside the held-out rows; `own`: the file of golden cases that operators added, if any did."""
    find = partial(search, bot.bot_name) if bot.knowledge.is_grounded else None
    wanted = bot.suites
    folder = Path(wanted.folder).absolute() if wanted.folder else None
    return SuiteOrder(
        names=wanted.run,
        system_prompt=bot.system_prompt,
        dataset=dataset,
        golden=golden_of(bot, own=own),
        max_cases=wanted.max_cases,
        folder=folder,
        guard=guard_of(bot, search=search),
        find=find,
    )


def golden_of(bot: Bot, *, own: Path) -> tuple[Path, ...]:
    """Where the bot's golden cases stand: by its file, and what operators added."""
    written = (Path(bot.suites.golden).absolute(),) if bot.suites.golden else ()
    return (*written, own) if own.exists() else written


def judge_of(bot: Bot, *, base_model: str) -> JudgeOrder | None:
    """Who compares answers beside the gate; None where the bot's file names nobody."""
    if not bot.judge.url:
        return None
    return JudgeOrder(**bot.judge.model_dump(), own=frozenset({bot.name, base_model}))


def sampling_of(bot: Bot, *, takes_seeds: bool) -> Sampling:
    """How contestants answer: as people are answered, each row with a seed of its own.

    An engine that takes no seeds would judge two contestants by two throws of dice, and no verdict could be had twice:
    there the likeliest word is taken, under the same penalty and to the same length.
    """
    served = bot.sampling.to_sampling()
    if takes_seeds:
        return replace(served, seed=rules_of(bot).seed)
    return replace(served, temperature=0.0, top_p=1.0)


def shortfall(
    bot: Bot, data: DatasetSummary, *, dataset: Path, reason_to_train: str | None = None, force: bool = False
) -> str | None:
    """Why a night with this dataset (its folder: `dataset`) would not train.

    Counts what the exam will ask, so that no training is paid for that could not be judged. A `reason_to_train` stands
    for new rows where there are none, and so does `force`.
    """
    recipe, gate = bot.recipe, bot.gate
    if data.train_rows < recipe.min_examples:
        return f"{data.train_rows} training rows; recipe.min_examples asks for {recipe.min_examples}"
    asked = count_witnesses(read_suite(dataset, max_rows=gate.max_rows))
    if not _can_judge(rules_of(bot), asked=asked, dataset=dataset):
        return (
            f"{asked} held-out conversations of different people with an answer that a person wrote or approved; "
            f"gate.min_conversations asks for {gate.min_conversations}"
        )
    if data.new_rows < recipe.min_new_examples and not (reason_to_train or force):
        return (
            f"{data.new_rows} rows that the newest adapter has not seen; "
            f"recipe.min_new_examples asks for {recipe.min_new_examples}"
        )
    return None


def _can_judge(rules: GateRules, *, asked: int, dataset: Path) -> bool:
    """Whether an exam of this dataset could tell a better adapter: by references, or by votes where they may judge."""
    if rules.primary not in {"auto", "vote_margin"}:
        return asked >= rules.min_conversations
    votes = choose_votes(read_held_votes(dataset), max_rows=rules.max_rows, rotation="")
    by_votes = votes.can_judge(asked=asked, least=rules.min_conversations)
    return by_votes or (rules.primary == "auto" and asked >= rules.min_conversations)


def insufficient(data: DatasetSummary, why: str) -> Decision:
    """Production stays."""
    figures = {key: value for key, value in data.model_dump().items() if isinstance(value, int)}
    reason = f"Not enough data: {why}. {data.repetition} Production stays."
    return Decision(Outcome.INSUFFICIENT_DATA, (reason,), json.dumps(figures))


def describe_attempts(before: Sequence[Adapter], last: Adapter, *, scale: float) -> str:
    """Why a night's candidate is not what it trained."""
    names = " and ".join(str(adapter.name) for adapter in before)
    return f"{names} had gained and forgotten; {last.name} is {scale:g} of what was learnt."


def contestants(candidate: Adapter, *, production: Route, anchor: Adapter | None = None) -> Mapping[str, Contestant]:
    """Who is compared; `anchor` is the last version that a person promoted."""
    asked = {
        "base": contestant("base", None),
        "production": Contestant(label="production", model=production.model, content_hash=production.adapter_hash),
        "candidate": contestant("candidate", candidate),
    }
    return asked if anchor is None else asked | {"anchor": contestant("anchor", anchor)}


def hash_in_production(adapters: Iterable[Adapter]) -> str:
    """Of its weights; empty for the base model."""
    live = in_production(adapters)
    return live.content_hash if live else ""


def anchor_of(adapters: Iterable[Adapter], moves: Iterable[Event]) -> Adapter | None:
    """The last version that a person put into production and nobody took down again; `moves`: newest first.

    What the gate promotes is measured against it too, so that small losses cannot add up over the nights.
    """
    known = {str(adapter.name): adapter for adapter in adapters if adapter.stage is not Stage.TAINTED}
    taken_down: set[str] = set()
    for event in moves:
        if event.action == f"{Stage.PRODUCTION}->{Stage.RETIRED}":
            taken_down.add(event.subject)
        is_promotion = event.action.endswith(f"->{Stage.PRODUCTION}")
        if is_promotion and event.actor != GATE and event.subject in known.keys() - taken_down:
            return known[event.subject]
    return None


def contestant(label: Label, adapter: Adapter | None) -> Contestant:
    """None is the base model."""
    if adapter is None:
        return Contestant(label=label, model=BASE, content_hash="")
    return Contestant(label=label, model=str(adapter.name), content_hash=adapter.content_hash)
