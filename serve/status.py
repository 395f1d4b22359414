"""How everything stands, in one look: for `nightschool status` and the console alike."""

import json
from datetime import datetime
from functools import partial
from importlib.metadata import version
from typing import Literal

from pydantic import BaseModel, ConfigDict

from collect import cycles, holds, registry, status
from collect.outcomes import count_outcomes
from nightschool.bots import Bot
from nightschool.records import BASE, AdapterName, Cycle, CycleState, Outcome, Stage, utc_now
from serve.disk import DiskView, look_at_disk
from serve.duels import SideBySideView, view_side_by_side
from serve.job_queue import QueueRow, read_queue
from serve.parts import Parts
from serve.vllm.supervisor import EngineState
from tune.progress import TrainingProgress

RECENT_CYCLES = 5


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True)


class WholeModelView(_Part):
    """A version with an engine of its own."""

    state: EngineState
    detail: str
    starts: int


class EngineView(_Part):
    kind: Literal["vllm", "echo"]
    state: EngineState
    detail: str
    model: str
    starts: int
    """How often it was started since the server runs; a promotion adds to it only where the engine is changed."""
    whole_models: dict[str, WholeModelView] = {}
    """By version; those that are loaded beside the base model."""
    alone: str = ""
    """The version that has the engine to itself, in the base model's place."""


class TrainingView(_Part):
    """How far a training under way is; what its method does not measure is null."""

    phase: str
    """The method that trains now: `sft`, `dpo`, ..."""
    step: int
    """Of the phase."""
    steps: int
    loss: float
    learning_rate: float
    tokens_per_s: float
    left_s: float
    rewards_margin: float | None
    rewards_accuracy: float | None
    memory_mb: float | None
    reward: float | None
    """Mean 0..1 of the step's own answers, where a judge rewards them."""


class CycleView(_Part):
    cycle: str
    bot: str
    trigger: str
    local_date: str | None
    state: CycleState
    step: str
    progress: float
    """0..1 within the step."""
    started_at: datetime
    finished_at: datetime | None
    candidate: int | None
    verdict: Outcome | None
    reasons: tuple[str, ...]
    figures: dict[str, float]
    training: TrainingView | None = None
    """While it trains, from its first step on."""


class HoldView(_Part):
    """No version goes live by itself until `release`."""

    by: str
    reason: str
    since: datetime


class HeldBackView(_Part):
    """Answers of a version in which a fact stood nowhere, so that its guard held back or marked a sentence."""

    held: int
    answers: int
    """Of that version in all."""


class BotView(_Part):
    bot: str
    title: str
    live: str
    """`support@3`: who answers now."""
    adapters: dict[str, str]
    """Stage of each version."""
    tainted: tuple[str, ...] = ()
    """Had learnt what was erased, and answers until a clean one takes its place."""
    schedule: str
    next_night: datetime | None
    held: HoldView | None
    running: CycleView | None
    recent: tuple[CycleView, ...]
    conversations: int
    answers: int
    votes_up: int
    votes_down: int
    reviews: int
    outcomes: dict[str, int] = {}
    """How many chats are `confirmed`, `assumed`, `reopened`, `not-resolved` and `open` (`collect.outcomes`)."""
    held_back: dict[str, HeldBackView] = {}
    """By version; those of which nothing was are left out."""
    side_by_side: SideBySideView
    """Two answers at once, of which people say which is better."""


class Status(_Part):
    version: str
    engine: EngineView
    disk: DiskView
    bots: tuple[BotView, ...]
    queue: tuple[QueueRow, ...] = ()
    """Who trains, and who waits for the trainer."""


async def read_status(parts: Parts) -> Status:
    """As of now."""
    engine = parts.engine_status()
    wanted = parts.settings.engine
    default = "SmolLM2-135M-Instruct" if wanted.kind == "vllm" else BASE
    return Status(
        version=version("nightschool"),
        engine=EngineView(
            kind=wanted.kind,
            state=engine.state,
            detail=engine.detail,
            model=wanted.model or default,
            starts=engine.starts,
            whole_models={
                name: WholeModelView(state=own.state, detail=own.detail, starts=own.starts)
                for name, own in engine.whole_models.items()
            },
            alone=engine.alone,
        ),
        disk=look_at_disk(parts.home.root, min_free_gib=parts.settings.night.min_free_gib),
        bots=tuple([await _bot_view(parts, bot) for bot in parts.shelf.bots.values()]),
        queue=tuple(await read_queue(parts)),
    )


async def _bot_view(parts: Parts, bot: Bot) -> BotView:
    name = bot.bot_name
    recent = await parts.store.read(partial(cycles.list_cycles, bot=name, limit=RECENT_CYCLES))
    adapters = await parts.store.read(partial(registry.adapters, bot=name))
    counts = await parts.store.read(partial(status.count, bot=name))
    stopped = await parts.store.read(partial(status.count_held, bot=name))
    hold = await parts.store.read(partial(holds.find_hold, bot=name))
    standing = partial(count_outcomes, bot=name, assumed_hours=bot.feedback.assumed_hours, now=utc_now())
    outcomes = await parts.store.read(standing)
    views = tuple(view_cycle(parts, cycle) for cycle in recent)
    return BotView(
        bot=name,
        title=bot.title,
        live=str(parts.rollout.route(name).name),
        adapters={str(AdapterName(name, a.version)): a.stage for a in adapters},
        tainted=tuple(str(a.name) for a in adapters if a.tainted_at and a.stage is not Stage.TAINTED),
        schedule=f"{bot.schedule.cron} {bot.schedule.time_zone}" if bot.schedule.enabled else "off",
        next_night=parts.nights.next_runs().get(name),
        held=HoldView(by=hold.armed_by, reason=hold.reason, since=hold.armed_at) if hold else None,
        running=next((view for view in views if view.state is CycleState.RUNNING), None),
        recent=views,
        conversations=counts.conversations,
        answers=counts.answers,
        votes_up=counts.votes_up,
        votes_down=counts.votes_down,
        reviews=counts.reviews,
        outcomes={state.value: number for state, number in outcomes.items()},
        held_back={
            str(AdapterName(name, one.version)): HeldBackView(held=one.held, answers=one.answers) for one in stopped
        },
        side_by_side=await view_side_by_side(parts.store, parts.opponents, bot),
    )


def view_cycle(parts: Parts, cycle: Cycle) -> CycleView:
    """A cycle as people and programs read it; of a running one also for whom it waits, and how far its training is."""
    is_running = cycle.state is CycleState.RUNNING
    other = parts.nights.ahead_of(cycle.bot) if is_running else None
    progress = parts.nights.board.shown.get(cycle.bot) if is_running else None
    return CycleView(
        cycle=cycle.cycle_id,
        bot=cycle.bot,
        trigger=cycle.trigger,
        local_date=cycle.local_date.isoformat() if cycle.local_date else None,
        state=cycle.state,
        step=f"waits for {other}" if other else cycle.step,
        progress=cycle.progress,
        started_at=cycle.started_at,
        finished_at=cycle.finished_at,
        candidate=cycle.candidate,
        verdict=cycle.outcome,
        reasons=cycle.reasons,
        figures=json.loads(cycle.figures_json),
        training=_view_training(progress) if progress else None,
    )


def _view_training(progress: TrainingProgress) -> TrainingView:
    return TrainingView(
        phase=progress.phase,
        step=progress.step,
        steps=progress.steps,
        loss=progress.loss,
        learning_rate=progress.learning_rate,
        tokens_per_s=progress.tokens_per_s,
        left_s=progress.eta_s,
        rewards_margin=progress.rewards_margin,
        rewards_accuracy=progress.rewards_accuracy,
        memory_mb=progress.memory_mb,
        reward=progress.reward,
    )
