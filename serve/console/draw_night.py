"""The Nights tab's picture: what came of a night, where its training stands and how its loss went, method by method.

Plain values in, escaped HTML out. A curve is drawn as lines that stretch with the page; its words are HTML beside it,
so that they keep their size on a phone.
"""

from collections.abc import Sequence
from itertools import groupby
from typing import Final

from serve.console.draw import draw_cycle, facts, page_link, part, text
from serve.console.handlers import Night
from tune.progress import StepLine, TrainingProgress, curves_of, describe_seconds

WIDTH: Final = 640
HEIGHT: Final = 160
MARGIN: Final = 6
MOST_POINTS: Final = 320
"""Of a curve; a longer one is drawn by the means of its steps."""
SMOOTH_SHARE: Final = 0.08
"""Of a curve: so much of it the thick line is the mean of."""


def draw_night(night: Night) -> str:
    """The whole of a chosen night but its report's words."""
    picture = (
        f'<img class="ns-report" alt="Charts of the evaluation" src="data:image/png;base64,{night.picture_base64}">'
        if night.picture_base64
        else ""
    )
    link = f"<p>{page_link(night.page, 'The whole report of the exam')}</p>" if night.page else ""
    return draw_cycle(night.cycle) + draw_training(night.training, night.steps) + picture + link


def draw_training(progress: TrainingProgress | None, steps: Sequence[StepLine]) -> str:
    """`progress` only while it trains. Empty where there is nothing to show."""
    curves = "".join(
        _curve(f"{phase}: {title}", points)
        for phase, of_phase in groupby(steps, key=lambda step: step.phase)
        for title, points in curves_of(of_phase)
    )
    if not curves and progress is None:
        return ""
    return part("Training") + (_standing(progress) if progress else "") + curves


def _standing(progress: TrainingProgress) -> str:
    pairs = [
        ("Method", text(progress.phase)),
        ("Step", f"{progress.step} of {progress.steps}"),
        ("Loss", f"{progress.loss:.4f}"),
        ("Learning rate", f"{progress.learning_rate:.2e}"),
        ("Speed", f"{progress.tokens_per_s:,.0f} tokens a second"),
        ("Time left", text(describe_seconds(progress.eta_s))),
    ]
    if progress.rewards_margin is not None:
        pairs.append(("Reward margin", f"{progress.rewards_margin:+.4f}"))
    if progress.rewards_accuracy is not None:
        pairs.append(("Pairs right", f"{progress.rewards_accuracy:.0%}"))
    if progress.reward is not None:
        pairs.append(("Reward", f"{progress.reward:.4f}"))
    if progress.memory_mb is not None:
        pairs.append(("Memory", f"{progress.memory_mb / 1_000:.2f} GB"))
    return f'<div class="ns-standing">{facts(pairs)}</div>'


def _curve(title: str, shown: Sequence[tuple[int, float]]) -> str:
    """One figure; empty where fewer than two steps can be drawn."""
    if len(shown) < 2:
        return ""
    values = _means([value for _, value in shown])
    low, high = min(values), max(values)
    smooth = _smooth(values)
    words = f"{title} over {len(shown)} steps: from {shown[0][1]:.3f} to {shown[-1][1]:.3f}"
    return (
        f'<figure class="ns-plot"><figcaption>{text(words)}</figcaption>'
        '<div class="ns-axes"><div class="ns-axis-y" aria-hidden="true">'
        f"<span>{high:.3g}</span><span>{low:.3g}</span></div>"
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{text(words)}" preserveAspectRatio="none">'
        f'{_rules()}<polyline class="ns-raw" points="{_points(values, low, high)}"/>'
        f'<polyline points="{_points(smooth, low, high)}"/></svg>'
        f'<div class="ns-axis-x" aria-hidden="true"><span>step {shown[0][0]}</span><span>{shown[-1][0]}</span></div>'
        "</div></figure>"
    )


def _means(values: Sequence[float]) -> list[float]:
    """At most `MOST_POINTS` of them, each the mean of its share."""
    size = -(-len(values) // MOST_POINTS)
    pieces = (values[start : start + size] for start in range(0, len(values), size))
    return [sum(piece) / len(piece) for piece in pieces]


def _smooth(values: Sequence[float]) -> list[float]:
    """The mean of each value and those right before it."""
    window = max(1, round(SMOOTH_SHARE * len(values)))
    pieces = (values[max(0, at + 1 - window) : at + 1] for at in range(len(values)))
    return [sum(piece) / len(piece) for piece in pieces]


def _rules() -> str:
    """Lines at top, middle and bottom."""
    heights = (MARGIN, HEIGHT / 2, HEIGHT - MARGIN)
    return "".join(f'<line x1="0" x2="{WIDTH}" y1="{y:g}" y2="{y:g}"/>' for y in heights)


def _points(values: Sequence[float], low: float, high: float) -> str:
    span = (high - low) or 1.0
    across = WIDTH / max(len(values) - 1, 1)
    inside = HEIGHT - 2 * MARGIN
    return " ".join(
        f"{at * across:.1f},{MARGIN + (high - value) / span * inside:.1f}" for at, value in enumerate(values)
    )
