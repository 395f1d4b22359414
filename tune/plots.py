"""Pictures of what this room makes: of the rows of a dataset, for its card, and of the losses of a run.

The card's picture is part of a dataset, whose bytes are its name: it is written here stroke by stroke, so that neither
a library's version nor a machine's fonts change a byte. matplotlib draws the losses, and is loaded only for them.
"""

import html
import math
import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby, pairwise
from pathlib import Path
from typing import Final, NamedTuple

from tune.progress import StepLine, curves_of, read_steps

CARD_PLOT: Final = "card.svg"
PLOTS: Final = "plots"

WORD_EDGES: Final = (25, 50, 100, 200, 400, 800, 1600)
DAY_EDGES: Final = (1, 7, 30, 90, 365)
MOST_TOPICS: Final = 10
TOPIC_CHARS: Final = 40
NO_XML: Final = re.compile(r"[^\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 may not hold, and line breaks."""

PANEL_WIDTH: Final = 400
LABEL_WIDTH: Final = 150
BAR_WIDTH: Final = 190
LINE_HEIGHT: Final = 20
STYLE: Final = (
    "text{font:12px system-ui,sans-serif;fill:#212a25}.title{font-weight:600;font-size:13px}"
    "rect{fill:#236b4c}@media(prefers-color-scheme:dark){text{fill:#e6ece8}rect{fill:#579f7d}}"
)
TABLE_BLOCKS: Final = 24
"""Width of the longest bar of a table."""


class Panel(NamedTuple):
    """Rows by one of their properties; the counts in the order in which they are drawn."""

    title: str
    counts: Mapping[str, int]


def draw_card_plots(
    folder: Path,
    *,
    words: Iterable[int],
    ages_days: Iterable[float],
    topics: Iterable[str | None],
    origins: Iterable[str],
) -> list[str]:
    """Write the picture of a dataset's rows into its folder and return the lines of its card that show it.

    Each argument gives one value for each row: how many words it has, how much older than the newest its conversation
    is, what it is about, and by whose word it is there.
    """
    panels = (
        Panel("Words in a row", _binned(words, WORD_EDGES)),
        Panel("Days before the newest", _binned(ages_days, DAY_EDGES)),
        Panel("Topics", _topics(topics)),
        Panel("By whose word", _ranked(origins)),
    )
    (folder / CARD_PLOT).write_text(_as_svg(panels), encoding="utf-8")
    titles = ", ".join(panel.title.lower() for panel in panels)
    lines = ["## Shape", "", f"![Rows by {titles}]({CARD_PLOT})", ""]
    return [*lines, *(line for panel in panels for line in _as_table(panel))]


def draw_losses(run: Path) -> list[Path]:
    """One SVG for each of the run's methods, from its metrics.jsonl: loss, and rewards where there are any."""
    files = []
    for phase, steps in groupby(read_steps(run), key=lambda step: step.phase):
        file = run / PLOTS / f"{phase}.svg"
        file.parent.mkdir(exist_ok=True)
        _draw_phase(file, phase, list(steps))
        files.append(file)
    return files


def _draw_phase(file: Path, phase: str, steps: Sequence[StepLine]) -> None:
    from matplotlib import rc_context  # noqa: PLC0415
    from matplotlib.figure import Figure  # noqa: PLC0415

    panels = curves_of(steps)
    # The ids in the file come from the salt, and the date is left out: equal losses, equal picture.
    with rc_context({"svg.hashsalt": "nightschool", "svg.fonttype": "path"}):
        figure = Figure(figsize=(6.4 * len(panels), 3.6))
        for axes, (title, points) in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
            axes.plot([at for at, _ in points], [value for _, value in points], color="#236b4c", linewidth=1.4)
            axes.set_title(f"{phase}: {title}", fontsize=10)
            axes.set_xlabel("step", fontsize=9)
            axes.grid(alpha=0.3)
            axes.spines[["top", "right"]].set_visible(False)
        figure.tight_layout()
        figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None})


def _binned(values: Iterable[float], edges: Sequence[int]) -> dict[str, int]:
    """Counts of values up to and with each edge, and beyond the last."""
    counts = Counter(bisect_left(edges, value) for value in values)
    labels = [f"up to {edges[0]}", *(f"over {a}, up to {b}" for a, b in pairwise(edges))]
    labels.append(f"over {edges[-1]}")
    return {label: counts[place] for place, label in enumerate(labels)}


def _ranked(labels: Iterable[str]) -> dict[str, int]:
    """Counts, the largest first."""
    return dict(sorted(Counter(labels).items(), key=lambda pair: (-pair[1], pair[0])))


def _topics(topics: Iterable[str | None]) -> dict[str, int]:
    """The most frequent ones by name; the rest together."""
    given = list(topics)
    ranked = list(_ranked(_short(topic) for topic in given if topic is not None).items())
    shown = dict(ranked[:MOST_TOPICS])
    rest = {"other topics": sum(count for _, count in ranked[MOST_TOPICS:]), "no topic": given.count(None)}
    return shown | {name: count + shown.get(name, 0) for name, count in rest.items() if count}


def _short(topic: str) -> str:
    line = " ".join(NO_XML.sub(" ", topic).split())
    return line if len(line) <= TOPIC_CHARS else f"{line[: TOPIC_CHARS - 1]}…"


def _as_table(panel: Panel) -> list[str]:
    most = max(panel.counts.values(), default=0)
    rows = [
        f"| {_in_cell(label)} | {count} | {'█' * math.ceil(TABLE_BLOCKS * count / most) if count else ''} |"
        for label, count in panel.counts.items()
    ]
    return [f"| {panel.title} | rows | |", "| --- | ---: | --- |", *rows, ""]


def _in_cell(label: str) -> str:
    """Nothing of a label is Markdown or HTML."""
    return re.sub(r"([\\`*_\[\]|~$])", r"\\\1", html.escape(label, quote=False))


def _as_svg(panels: Sequence[Panel]) -> str:
    """Two panels beside one another, and two below."""
    heights = [LINE_HEIGHT * (len(panel.counts) + 2) for panel in panels]
    second_row = max(heights[:2])
    height = second_row + max(heights[2:])
    drawn = "".join(
        f'<g transform="translate({PANEL_WIDTH * (place % 2)},{second_row * (place // 2)})">{_as_bars(panel)}</g>'
        for place, panel in enumerate(panels)
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {2 * PANEL_WIDTH} {height}" width="{2 * PANEL_WIDTH}" '
        f'height="{height}" role="img"><style>{STYLE}</style>{drawn}</svg>\n'
    )


def _as_bars(panel: Panel) -> str:
    most = max(panel.counts.values(), default=0) or 1
    lines = [f'<text class="title" x="0" y="{LINE_HEIGHT}">{html.escape(panel.title)}</text>']
    for place, (label, count) in enumerate(panel.counts.items()):
        y = LINE_HEIGHT * (place + 2)
        width = round(BAR_WIDTH * count / most, 1)
        lines.append(
            f'<text x="0" y="{y}">{html.escape(_short(label)[:22])}</text>'
            f'<rect x="{LABEL_WIDTH}" y="{y - 11}" width="{width:g}" height="13" rx="2"/>'
            f'<text x="{LABEL_WIDTH + width + 6:g}" y="{y}">{count}</text>'
        )
    return "".join(lines)
