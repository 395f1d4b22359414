"""An evaluation as one HTML file: the verdict first, then why, charts, complaints, what was lost, learnt and spent.

The file needs nothing beside itself and runs nothing: no script, no request, and all that people and models wrote is
text in it.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

from eval.background import Background
from eval.findings import Findings
from eval.page_parts import (
    draw_complaints,
    draw_faults,
    draw_figures,
    draw_gain_table,
    draw_night_points,
    draw_reasons,
    draw_row_gains,
    draw_sample,
    draw_suites,
    draw_topics,
    facts,
    text,
)
from nightschool.files import write_atomic

HTML: Final = "report.html"
JSON: Final = "report.json"
POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"
STYLE: Final = Path(__file__).with_name("page.css")


def write_page(folder: Path, findings: Findings, *, background: Background) -> None:
    """Leave report.html and, for programs, report.json in `folder`."""
    whole = findings.model_dump(mode="json") | {"background": background.model_dump(mode="json")}
    write_atomic(folder / HTML, draw_page(findings, background=background))
    write_atomic(folder / JSON, json.dumps(whole, ensure_ascii=False, indent=2) + "\n")


def draw_page(findings: Findings, *, background: Background = Background()) -> str:
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{text(background.title)}: {findings.outcome.value}</title>"
        f"<style>{STYLE.read_text(encoding='utf-8')}</style></head>"
        f"<body><main>{''.join(_body(findings, background))}</main></body></html>\n"
    )


def _body(findings: Findings, background: Background) -> Iterator[str]:
    yield from _head(findings, background)
    yield from _measured(findings)
    if len(background.nights) > 1:
        yield _part("Over the nights", draw_night_points(background.nights))
    yield from _asked_again(findings)
    if findings.samples:
        samples = (draw_sample(sample, rival=findings.rival) for sample in findings.samples)
        yield _part("Where it lost most", f'<div class="cards">{"".join(samples)}</div>')
    elif findings.rows:
        yield _part("Where it lost most", f"<p>On no row is the candidate worse than {findings.rival}.</p>")
    for title, pairs in (("What it was trained on", background.learnt), ("Cost in time", background.costs)):
        if pairs:
            yield _part(title, f'<div class="card">{facts(pairs)}</div>')


def _head(findings: Findings, background: Background) -> Iterator[str]:
    yield f"<h1>{text(background.title)}</h1>"
    yield f'<p class="verdict {findings.outcome.value}">{findings.outcome.value}</p>'
    for aside in background.asides:
        yield f"<p>{text(aside)}</p>"
    yield f'<p class="soft">{text(_asked(findings))}</p>'
    yield _part("Why", draw_reasons(findings.reasons))


def _asked(findings: Findings) -> str:
    who = ", ".join(c.label if c.model == c.label else f"{c.label} ({c.model})" for c in findings.contestants)
    left_out = f" {findings.skipped_rows} rows exceed the engine's context and were left out." * bool(
        findings.skipped_rows
    )
    liked = f" {findings.liked_rows} answers that were only liked were not asked." * bool(findings.liked_rows)
    return (
        f"{findings.rows} held-out rows of {findings.conversations} conversations, the same for each: {who}. "
        f"Primary metric: {findings.primary}.{liked}{left_out}"
    )


def _measured(findings: Findings) -> Iterator[str]:
    level = f"{1 - 2 * findings.alpha:.0%}"
    if findings.gains:
        drawn = draw_gain_table(findings.gains, primary=findings.primary)
        told = "".join(f"<p>{text(sentence)}</p>" for sentence in findings.ages)
        yield _part("What it gains", drawn + told + draw_row_gains(findings))
    if findings.topics:
        yield _part("By topic", draw_topics(findings.topics, rival=findings.rival))
    if findings.figures:
        yield _part("Figures", _cards(list(draw_figures(findings.figures, level=level))))
    if findings.judge:
        yield _part("The judge", _sentences(findings.judge.tell()))
    if findings.reward_told:
        yield _part("The reward model", _sentences(findings.reward_told))
    if findings.faults:
        yield _part("Faults", draw_faults(findings.faults))


def _asked_again(findings: Findings) -> Iterator[str]:
    if findings.complaints:
        yield _part("Complaints", draw_complaints(findings.complaints))
    if findings.suites or findings.suite_problems:
        yield _part("Suites", draw_suites(findings.suites, problems=findings.suite_problems))


def _part(title: str, drawn: str) -> str:
    return f"<h2>{text(title)}</h2>{drawn}"


def _sentences(told: Iterable[str]) -> str:
    return f'<div class="card">{"".join(f"<p>{text(sentence)}</p>" for sentence in told)}</div>'


def _cards(drawn: Sequence[str]) -> str:
    return f'<div class="cards">{"".join(drawn)}</div>'
