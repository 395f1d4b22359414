"""What a week of nights came to: a line for each bot and night, as a file, a table, a picture and a summary.

Does not know how the figures were found.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict

from bench.common.truth import Ruling

COLOURS: Final = {"base": "#9aa5b1", "production": "#3d7ea6", "candidate": "#e08e45"}


class NightLine(BaseModel):
    """One night of one bot. Satisfactions are means over the hidden questions, 0..1."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    bot: str
    day: int
    verdict: str
    reasons: tuple[str, ...]
    went_live: bool
    base: float
    production: float
    """Who answered on the day before."""
    candidate: float | None
    """None where there was none."""
    live: float
    """Who answers from then on."""
    gain: tuple[float, float, float] | None
    """Of the candidate over production: low, mean, high."""
    ruling: Ruling | None
    retention_loss: float
    """Nats a token on general answers, of who answers from then on."""
    hostile_votes: int
    """Cast so far."""
    hostile_learnt: int
    """Of those, in training rows of that night's dataset; not what an operator ruled on, whose word stands first."""
    hostile_examined: int
    """Of those, in held-out rows."""
    seconds: float
    spent: dict[str, float] = {}
    """Seconds of the day's chats, of each step of the night, and of the hidden questions behind it."""


def read_lines(file: Path) -> list[NightLine]:
    """The whole ones: a kill may have left half of the last."""
    if not file.exists():
        return []
    whole = [line for line in file.read_text().splitlines(keepends=True) if line.endswith("\n")]
    return [NightLine.model_validate_json(line) for line in whole]


def print_nights(lines: Sequence[NightLine]) -> None:
    """Bot by bot."""
    print("| bot | night | base | production | candidate | gain (95 %) | verdict | live | it was | forgot | hostile |")
    print("|---|---|---|---|---|---|---|---|---|---|---|")
    for line in sorted(lines, key=lambda line: (line.bot, line.day)):
        print(row_of(line))


def row_of(line: NightLine) -> str:
    """Of that table."""
    candidate = "" if line.candidate is None else f"{line.candidate:.3f}"
    gain = "{1:+.3f} ({0:+.3f} to {2:+.3f})".format(*line.gain) if line.gain else ""
    hostile = f"{line.hostile_learnt} + {line.hostile_examined} of {line.hostile_votes}"
    return (
        f"| {line.bot} | {line.day + 1} | {line.base:.3f} | {line.production:.3f} | {candidate} | {gain} | "
        f"{line.verdict} | {line.live:.3f} | {line.ruling or ''} | {line.retention_loss:+.3f} | {hostile} |"
    )


def summarise(lines: Sequence[NightLine], *, suffixes: Mapping[str, str]) -> dict[str, float]:
    """The figures of each bot under its suffix. Nights whose truth stayed open count for neither mistake."""
    figures: dict[str, float] = {}
    for bot, suffix in suffixes.items():
        own = sorted((line for line in lines if line.bot == bot), key=lambda line: line.day)
        rulings = [line.ruling for line in own]
        found = {
            "satisfaction_base": own[-1].base,
            "satisfaction_last": own[-1].live,
            "wrong_promotions": rulings.count(Ruling.WRONG_PROMOTION),
            "wrong_holds": rulings.count(Ruling.WRONG_HOLD),
            "open_nights": rulings.count(Ruling.OPEN),
            "retention_loss": own[-1].retention_loss,
            "hostile_votes": own[-1].hostile_votes,
            "hostile_learnt": own[-1].hostile_learnt,
        }
        figures |= {f"{name}{suffix}": round(figure, 4) for name, figure in found.items()}
    return figures


def sum_spent(lines: Sequence[NightLine]) -> dict[str, float]:
    """Seconds of all bots and nights, by what they were spent on; nights of several bots overlap where one trains and
    another is examined."""
    spent: defaultdict[str, float] = defaultdict(float)
    for line in lines:
        for what, seconds in line.spent.items():
            spent[what] += seconds
    return dict(spent)


def draw_nights(file: Path, lines: Sequence[NightLine], *, bots: Sequence[str]) -> None:
    """A PNG with a panel for each bot: satisfaction night by night, what went live as a filled mark."""
    from matplotlib.figure import Figure  # noqa: PLC0415 - a second that only a picture is worth

    figure = Figure(figsize=(4.4 * len(bots), 3.6), dpi=100, layout="constrained")
    panels = figure.subplots(1, len(bots), sharey=True, squeeze=False)[0]
    for panel, bot in zip(panels, bots, strict=True):
        own = sorted((line for line in lines if line.bot == bot), key=lambda line: line.day)
        nights = [line.day + 1 for line in own]
        panel.plot(nights, [line.base for line in own], color=COLOURS["base"], linestyle="--", label="base")
        panel.step(nights, [line.live for line in own], color=COLOURS["production"], where="post", label="production")
        for line in own:
            if line.candidate is not None and line.gain is not None:
                low, _, high = (line.production + bound for bound in line.gain)
                panel.vlines(line.day + 1, low, high, color=COLOURS["candidate"], linewidth=1.2)
                face = COLOURS["candidate"] if line.went_live else "none"
                panel.plot(line.day + 1, line.candidate, "o", color=COLOURS["candidate"], markerfacecolor=face)
        panel.set_title(f"{bot} (filled: went live)", fontsize=10)
        panel.set_xlabel("night", fontsize=9)
        panel.set_xticks(nights)
        panel.set_ylim(0, 1)
        panel.legend(loc="lower right", frameon=False, fontsize=9)
        panel.spines[["top", "right"]].set_visible(False)
    panels[0].set_ylabel("hidden satisfaction", fontsize=9)
    figure.savefig(file, metadata={"Software": None})
