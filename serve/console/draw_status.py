"""The Status tab's picture: the engine, and for each bot who answers, when it goes to school and how far it is.

Plain values in, escaped HTML out; the values are those of `nightschool status`.
"""

from collections.abc import Sequence
from typing import Final

from nightschool.records import Outcome
from serve.console.draw import badge, draw_progress, facts, text, when
from serve.duels import DuelsView, SideBySideView
from serve.job_queue import QueueRow
from serve.status import BotView, CycleView, EngineView, HeldBackView, Status, TrainingView
from serve.vllm.supervisor import EngineState
from tune.progress import describe_seconds

TONES: Final = {EngineState.READY: "good", EngineState.STARTING: "warn", EngineState.DOWN: "bad"}


def draw_status(status: Status) -> str:
    trainer = [_trainer(status.queue)] if status.queue else []
    cards = [_engine(status.engine), *trainer, *(_bot(bot) for bot in status.bots)]
    return f'<div class="ns-cards">{"".join(cards)}</div>'


def _engine(engine: EngineView) -> str:
    pairs = [
        ("State", badge(engine.state, tone=TONES[engine.state])),
        ("Kind", text(engine.kind)),
        ("Base model", text(engine.model)),
        ("Starts", text(engine.starts)),
    ]
    if engine.detail:
        pairs.append(("Detail", text(engine.detail)))
    if engine.alone:
        pairs.append(("Alone", f"{text(engine.alone)}: no other bot and no other version is answered"))
    pairs += [(name, badge(own.state, tone=TONES[own.state])) for name, own in engine.whole_models.items()]
    fake = '<p class="ns-fake">Test mode: the echo engine is in use; every answer is fake.</p>'
    return f'<section class="ns-card"><h2>Engine</h2>{facts(pairs)}{fake if engine.kind == "echo" else ""}</section>'


def _trainer(queue: Sequence[QueueRow]) -> str:
    """Who trains first, then who waits, in the order of their turns."""
    pairs = [(str(row.place or "aside"), _queued(row)) for row in queue]
    return f'<section class="ns-card"><h2>Trainer</h2>{facts(pairs)}</section>'


def _queued(row: QueueRow) -> str:
    who = f"night of {row.name}" if row.kind == "night" else f"{row.name} of {row.owner}"
    starts = f", begins about {when(row.starts_at)}" if row.starts_at else ""
    return f"{text(who)}: {text(row.state)}{starts}"


def _bot(bot: BotView) -> str:
    pairs = [
        ("Live", f"<code>{text(bot.live)}</code>"),
        ("Next night", when(bot.next_night) if bot.next_night else "none"),
        ("Schedule", text(bot.schedule)),
        ("Conversations", text(bot.conversations)),
        ("Answers", text(bot.answers)),
        ("Votes", f"{text(bot.votes_up)} liked, {text(bot.votes_down)} disliked"),
        ("Reviews", text(bot.reviews)),
    ]
    if any(bot.outcomes.values()):
        pairs.append(
            ("Outcomes of chats", text(", ".join(f"{count} {state}" for state, count in bot.outcomes.items())))
        )
    if bot.held:
        pairs.append(("Held", f"{badge('held', tone='warn')} by {text(bot.held.by)}: {text(bot.held.reason)}"))
    if bot.held_back:
        pairs.append(("Facts held back", "<br>".join(_held_back(name, seen) for name, seen in bot.held_back.items())))
    if bot.side_by_side.share or bot.side_by_side.results:
        pairs.append(("Side by side", draw_side_by_side(bot.side_by_side)))
    last = next((cycle for cycle in bot.recent if cycle is not bot.running and cycle.finished_at), None)
    if last:
        pairs.append(("Last night", _last(last)))
    running = draw_progress(step=bot.running.step, share=bot.running.progress) if bot.running else ""
    if bot.running and bot.running.training:
        running += _training(bot.running.training)
    return f'<section class="ns-card"><h2>{text(bot.title)}</h2>{facts(pairs)}{running}</section>'


def draw_side_by_side(seen: SideBySideView) -> str:
    """Who is compared, and how often production's answer was the better one."""
    asked = f"{seen.share:.1%} of turns, against {text(seen.against)}" if seen.share else "nobody is asked now"
    problem = f"<br>{badge('nobody is asked', tone='warn')} {text(seen.problem)}" if seen.problem else ""
    return asked + problem + "".join(f"<br>{_duels(one)}" for one in seen.results)


def _duels(seen: DuelsView) -> str:
    who = f"<code>{text(seen.production)}</code> against <code>{text(seen.other)}</code>"
    decided = seen.production_won + seen.other_won
    won = f"won {seen.production_won} of {decided}"
    if seen.win_rate is not None and seen.low is not None and seen.high is not None:
        won += f", {seen.win_rate:.0%} (95 %: {seen.low:.0%} to {seen.high:.0%})"
    people = "1 person" if seen.persons == 1 else f"{seen.persons} people"
    return f"{who}: {won}; {seen.same} the same, {seen.both_bad} both bad; {people}, asked {seen.asked} times"


def _held_back(name: str, seen: HeldBackView) -> str:
    return f"<code>{text(name)}</code>: in {text(seen.held)} of {text(seen.answers)} answers"


def _last(cycle: CycleView) -> str:
    tone = "good" if cycle.verdict is Outcome.PROMOTE else "plain" if cycle.verdict else "bad"
    reason = f"<br>{text(cycle.reasons[0])}" if cycle.reasons else ""
    return f"{badge(cycle.verdict or cycle.state, tone=tone)} {when(cycle.finished_at)}{reason}"


def _training(at: TrainingView) -> str:
    parts = [
        f"{at.phase} {at.step} of {at.steps}", f"loss {at.loss:.3f}", f"{at.tokens_per_s:,.0f} tokens a second",
        f"{describe_seconds(at.left_s)} left",
    ]  # fmt: skip
    return f'<p class="ns-fine">{text(", ".join(parts))}</p>'
