"""Base and tuned side by side: what the gate measured, and the answers themselves. Shows; asks and decides nothing."""

import sys
from collections.abc import Sequence
from typing import Final, NamedTuple, TypedDict

from rich.console import Console
from rich.table import Table
from rich.text import Text

from serve.cli.follow import Verdict
from serve.cli.talk import give, give_table, plain


class Pair(TypedDict):
    """One question and its answers; `tuned_version` says who gave the tuned one."""

    question: str
    base: str
    tuned: str
    tuned_version: str
    sources: list[str]
    """What both stood on of the bot's documents."""
    reference: str
    """Empty for a question of the bot's own starters."""


class Figure(NamedTuple):
    title: str
    key: str
    digits: int


FIGURES: Final = (
    Figure("perplexity (less is better)", "perplexity", 2),
    Figure("ROUGE-L", "rouge_l", 3),
    Figure("token F1", "token_f1", 3),
)


def show_verdict(bot: str, verdict: Verdict) -> None:
    """What the night decided and why, and on how much better or worse a candidate was."""
    give(f"{bot}: {verdict['verdict']}")
    for reason in verdict["reasons"]:
        give(f"  {reason}")
    figures = verdict["figures"]
    rows = [
        {
            "title": figure.title,
            "base": f"{figures[f'base_{figure.key}']:.{figure.digits}f}",
            "tuned": f"{figures[f'candidate_{figure.key}']:.{figure.digits}f}",
        }
        for figure in FIGURES
        if f"candidate_{figure.key}" in figures
    ]
    if rows:
        give_table(rows, {"title": "held out", "base": "base", "tuned": "tuned"}, empty="")


def show_pairs(pairs: Sequence[Pair]) -> None:
    """The answers in two columns on a terminal, else one below the other."""
    version = pairs[0]["tuned_version"] if pairs else "tuned"
    if version.endswith("@base"):
        give("No adapter is live, so both columns are the base model's.")
    if not sys.stdout.isatty():
        for pair in pairs:
            give(f"\nquestion: {pair['question']}\nbase:     {pair['base']}\n{pair['tuned_version']}: {pair['tuned']}")
            if pair["sources"]:
                give(f"sources:  {', '.join(pair['sources'])}")
        return
    table = Table(show_lines=True, title="Starters and held-out questions, greedy answers")
    for heading, ratio in (("question", 3), ("base", 4), (version, 4), ("sources", 2)):
        table.add_column(heading, overflow="fold", ratio=ratio)
    for pair in pairs:
        cells = (pair["question"], pair["base"], pair["tuned"], "\n".join(pair["sources"]))
        table.add_row(*(Text(plain(text)) for text in cells))
    Console().print(table)
