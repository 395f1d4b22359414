"""A page's charts as inline SVG: intervals on one scale, gains row by row, and gains night by night.

Colours are the page's (`eval/page.css`), so that a chart is as dark as its page. A chart stretches with the page and
holds no words: those stand beside it as HTML, where they keep their size on a phone and are read aloud. Pure.
"""

import math
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from eval.findings import Measured

WIDTH: Final = 600
HEIGHT: Final = 120
ROW: Final = 22
MOST_BARS: Final = 200
"""Of a chart of rows; more are drawn by every so many."""


class Scale(NamedTuple):
    """From values to a share 0..1 of the width."""

    low: float
    high: float

    def place(self, value: float) -> float:
        return WIDTH * (min(max(value, self.low), self.high) - self.low) / (self.high - self.low)


def scale_of(values: Iterable[Measured], *, around_zero: bool = False) -> Scale:
    """Room for every value and bound, with some air; zero is on it where the chart is about gains."""
    numbers = [n for m in values for n in (m.value, m.low, m.high) if n is not None and math.isfinite(n)]
    if around_zero:
        numbers.append(0.0)
    low, high = (min(numbers), max(numbers)) if numbers else (0.0, 1.0)
    air = 0.06 * (high - low) or max(abs(high), 1.0) * 0.06
    return Scale(low - air, high + air)


def draw_interval(measured: Measured, scale: Scale, *, css_class: str, with_zero: bool = False) -> str:
    """One value as a dot on its interval."""
    middle = ROW / 2
    zero = f'<line class="zero" x1="{scale.place(0):.1f}" x2="{scale.place(0):.1f}" y1="0" y2="{ROW}"/>'
    drawn = zero if with_zero else ""
    if measured.low is not None and measured.high is not None:
        low, high = scale.place(measured.low), scale.place(measured.high)
        drawn += f'<line class="bound" x1="{low:.1f}" x2="{high:.1f}" y1="{middle}" y2="{middle}"/>'
    if measured.value is not None:
        # A line without length and with round ends stays a dot however the chart is stretched.
        at = scale.place(measured.value)
        drawn += f'<line class="dot" x1="{at:.1f}" x2="{at:.1f}" y1="{middle}" y2="{middle}"/>'
    return _svg(drawn, height=ROW, css_class=f"interval {css_class}")


def draw_gains(gains: Sequence[float]) -> str:
    """Sorted gains as bars on a line: losses below, gains above."""
    step = max(1, -(-len(gains) // MOST_BARS))
    shown = gains[::step]
    top = max((abs(gain) for gain in shown), default=0.0) or 1.0
    middle, width = HEIGHT / 2, WIDTH / max(len(shown), 1)
    bars = "".join(_bar(place * width, width, gain / top * middle, middle) for place, gain in enumerate(shown) if gain)
    line = f'<line class="zero" x1="0" x2="{WIDTH}" y1="{middle:g}" y2="{middle:g}"/>'
    return _svg(bars + line, height=HEIGHT, css_class="rows")


def draw_nights(gains: Sequence[Measured], *, kinds: Sequence[str]) -> str:
    """Each night's gain as a dot on an upright interval; `kinds` are the nights' classes."""
    scale = scale_of(gains, around_zero=True)

    def height(value: float) -> float:
        return HEIGHT * (1 - scale.place(value) / WIDTH)

    drawn = f'<line class="zero" x1="0" x2="{WIDTH}" y1="{height(0):.1f}" y2="{height(0):.1f}"/>'
    for place, (gain, kind) in enumerate(zip(gains, kinds, strict=True)):
        x = WIDTH * (place + 0.5) / len(gains)
        if gain.low is not None and gain.high is not None:
            ends = f'y1="{height(gain.low):.1f}" y2="{height(gain.high):.1f}"'
            drawn += f'<line class="bound {kind}" x1="{x:.1f}" x2="{x:.1f}" {ends}/>'
        if gain.value is not None:
            y = height(gain.value)
            drawn += f'<line class="dot {kind}" x1="{x:.1f}" x2="{x:.1f}" y1="{y:.1f}" y2="{y:.1f}"/>'
    return _svg(drawn, height=HEIGHT, css_class="nights")


def _bar(x: float, width: float, height: float, middle: float) -> str:
    kind = "better" if height > 0 else "worse"
    y = middle - max(height, 0.0)
    return f'<rect class="{kind}" x="{x:.2f}" y="{y:.2f}" width="{width:.2f}" height="{abs(height):.2f}"/>'


def _svg(drawn: str, *, height: int, css_class: str) -> str:
    return (
        f'<svg class="{css_class}" viewBox="0 0 {WIDTH} {height}" preserveAspectRatio="none" aria-hidden="true" '
        f'focusable="false">{drawn}</svg>'
    )
