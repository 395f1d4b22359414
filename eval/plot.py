"""The evaluation as one picture: how each row changed, and each contestant's metrics with their intervals.

Takes finished scores and gains; does not decide. matplotlib is loaded only when a picture is drawn, without pyplot,
whose figures are process-wide state.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from eval.statistics import Interval

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FloatArray = NDArray[np.float64]
_COLOURS: Final[Mapping[str, str]] = {
    "base": "#9aa5b1",
    "anchor": "#7b6aa8",
    "production": "#3d7ea6",
    "candidate": "#e08e45",
}
_BETTER: Final = "#3a8f5c"
_WORSE: Final = "#c0504d"


@dataclass(frozen=True, slots=True)
class Bar:
    """One contestant's metric; `interval` None where too few conversations allow none."""

    contestant: str
    value: float
    interval: Interval | None


def draw_report(
    file: Path, gains: FloatArray, *, gain_title: str, metrics: Mapping[str, Sequence[Bar]], title: str
) -> None:
    """Write a PNG: `gains` (n,) sorted, then one small panel of bars for each metric. Draws finite numbers only."""
    from matplotlib.figure import Figure  # noqa: PLC0415

    figure = Figure(figsize=(12.5, 4.2), dpi=100)
    figure.suptitle(title, fontsize=12)
    shown = np.sort(gains[np.isfinite(gains)])
    panels = figure.subplots(1, 1 + len(metrics), width_ratios=[2.2, *(1 for _ in metrics)], squeeze=False)[0]
    figure.subplots_adjust(left=0.05, right=0.99, top=0.84, bottom=0.13, wspace=0.3)
    _draw_gains(panels[0], shown, title=gain_title)
    for panel, (name, bars) in zip(panels[1:], metrics.items(), strict=True):
        _draw_bars(panel, bars, title=name)
    # Without the version stamp equal figures give equal bytes on every release of matplotlib that draws alike.
    figure.savefig(file, metadata={"Software": None})


def _draw_gains(panel: "Axes", gains: FloatArray, *, title: str) -> None:
    places = np.arange(len(gains))
    panel.fill_between(places, np.clip(gains, 0, None), step="mid", color=_BETTER, linewidth=0)
    panel.fill_between(places, np.clip(gains, None, 0), step="mid", color=_WORSE, linewidth=0)
    panel.axhline(0, color="black", linewidth=0.8)
    better, worse = int((gains > 0).sum()), int((gains < 0).sum())
    if len(gains):
        panel.axhline(gains.mean(), color="black", linewidth=1, linestyle="--", label=f"mean {gains.mean():+.3f}")
        panel.legend(loc="upper left", frameon=False, fontsize=9)
    panel.set_title(title, fontsize=10)
    panel.set_xlabel(f"rows, sorted: {better} better, {worse} worse, {len(gains) - better - worse} equal", fontsize=9)
    panel.spines[["top", "right"]].set_visible(False)


def _draw_bars(panel: "Axes", bars: Sequence[Bar], *, title: str) -> None:
    for place, bar in enumerate(bars):
        top = bar.value if math.isfinite(bar.value) else 0.0
        panel.bar(place, top, width=0.7, color=_COLOURS[bar.contestant])
        if bar.interval is not None and math.isfinite(bar.interval.high):
            top = max(top, bar.interval.high)
            panel.vlines(place, bar.interval.low, bar.interval.high, color="black", linewidth=1.2)
        panel.annotate(f"{bar.value:.3g}", (place, top), (0, 3), textcoords="offset points", ha="center", fontsize=9)
    panel.set_xticks(range(len(bars)), [bar.contestant for bar in bars], fontsize=7.5)
    panel.set_title(title, fontsize=10)
    panel.margins(y=0.12)
    panel.set_ylim(bottom=0)
    panel.spines[["top", "right"]].set_visible(False)
