"""What `bench/methods.py` found, as a table, and as the page that shows it: table, plots and the JSON beside them.

The page's words are people's; only what stands between its two marks is written here. Measures nothing.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from nightschool.files import write_atomic

BASE: Final = "base"
BEGIN: Final = "<!-- figures -->"
END: Final = "<!-- /figures -->"
COLOURS: Final = {"base": "#9aa5b1", "qlora": "#7b6aa8", "full": "#e08e45"}
LORA: Final = "#3d7ea6"


@dataclass(frozen=True, slots=True)
class Measured:
    """Of one method; the base has learnt nothing."""

    name: str
    perplexity: float
    rouge_l: float
    token_f1: float
    perplexity_general: float
    instructions: float
    """Share of the checked instructions that were followed, 0..1."""
    rows: int = 0
    """That it learnt; longer ones are left out."""
    trained: int = 0
    """Parameters."""
    cpu_s: float = 0
    peak_mib: float = 0
    size_mb: float = 0
    load_s: float = 0


@dataclass(frozen=True, slots=True)
class State:
    rows: int
    held_out: int
    answered: int
    methods: tuple[Measured, ...]

    def by_name(self, name: str) -> Measured:
        return next(measured for measured in self.methods if measured.name == name)


def read_state(file: Path) -> State:
    tree = json.loads(file.read_text())
    return State(**{**tree, "methods": tuple(Measured(**measured) for measured in tree["methods"])})


def table(state: State) -> str:
    """Two tables in Markdown: cost, and quality."""
    base = state.by_name(BASE)
    learnt = [measured for measured in state.methods if measured.name != BASE]
    cost = [
        f"| {m.name} | {m.trained / 1e6:.2f} M | {m.cpu_s:.0f} s | {m.peak_mib:.0f} MiB | {m.size_mb:.1f} MB "
        f"| {m.load_s:.2f} s |"
        for m in learnt
    ]
    quality = [
        f"| {m.name} | {m.perplexity:.2f} | {m.rouge_l:.3f} | {m.token_f1:.3f} | {m.perplexity_general:.2f} "
        f"| {m.perplexity_general / base.perplexity_general:.3f} | {m.instructions:.2f} |"
        for m in state.methods
    ]
    return "\n".join(
        [
            f"{state.rows} rows learnt once, {state.held_out} held out, {state.answered} of them answered.",
            "",
            "| cost | trained parameters | processor time | peak memory | weights on disk | time to load |",
            "|---|---|---|---|---|---|",
            *cost,
            "",
            "| quality | perplexity, held out | ROUGE-L | token F1 | perplexity, general text | retention "
            "| instructions followed |",
            "|---|---|---|---|---|---|---|",
            *quality,
        ]
    )


def write_page(page: Path, state: State) -> None:
    """The table between the page's marks, `methods-*.png` in the folder `images` beside it, and its JSON."""
    write_atomic(page.with_suffix(".json"), json.dumps(asdict(state), indent=1) + "\n")
    images = page.parent / "images"
    images.mkdir(exist_ok=True)
    learnt = [measured for measured in state.methods if measured.name != BASE]
    _draw(
        images / "methods-cost.png",
        {
            "processor time, s": {m.name: m.cpu_s for m in learnt},
            "peak memory, MiB": {m.name: m.peak_mib for m in learnt},
            "weights on disk, MB": {m.name: m.size_mb for m in learnt},
        },
    )
    _draw(
        images / "methods-quality.png",
        {
            "perplexity, held out": {m.name: m.perplexity for m in state.methods},
            "ROUGE-L": {m.name: m.rouge_l for m in state.methods},
            "perplexity, general text": {m.name: m.perplexity_general for m in state.methods},
        },
    )
    before, _, rest = page.read_text().partition(BEGIN)
    after = rest.partition(END)[2]
    write_atomic(page, f"{before}{BEGIN}\n{table(state)}\n{END}{after}")


def _draw(file: Path, panels: dict[str, dict[str, float]]) -> None:
    from matplotlib.figure import Figure  # noqa: PLC0415 - takes a second, and only a page wants it

    figure = Figure(figsize=(9, 2.6), dpi=80, layout="constrained")
    for axes, (title, bars) in zip(figure.subplots(1, len(panels)), panels.items(), strict=True):
        axes.barh(list(bars), list(bars.values()), color=[COLOURS.get(name, LORA) for name in bars])
        axes.invert_yaxis()
        axes.set_title(title, fontsize=10)
        axes.tick_params(labelsize=8)
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(file, metadata={"Software": None})
