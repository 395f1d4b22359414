"""The console's pictures: plain values in, escaped HTML out. Knows no component and no part of the server."""

import html
import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

from collect.holds import Hold
from deploy.plan import Step
from nightschool.records import Adapter, AdapterName, Cycle, CycleState, Event, Outcome
from serve.console.handlers import AdapterRow
from serve.markup import draw_markdown, without_template

STEPS: Final = tuple(step for step in Step if step not in {Step.BEGIN, Step.FINISHED})
NOTHING: Final = "none"
CONTESTANTS: Final = ("base", "production", "candidate")
METRICS: Final = {"perplexity": "Perplexity (lower is better)", "rouge_l": "ROUGE-L", "token_f1": "Token F1"}


def text(value: object) -> str:
    """`value` as inert HTML; `$` and `{` too, since Gradio's HTML component reads them as a template."""
    return without_template(html.escape(str(value)))


def when(at: datetime | None) -> str:
    """The time as HTML."""
    return f'<time datetime="{at.isoformat()}">{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC</time>' if at else NOTHING


def badge(word: str, *, tone: str = "plain") -> str:
    return f'<span class="ns-badge ns-{tone}">{text(word)}</span>'


def facts(pairs: Iterable[tuple[str, str]]) -> str:
    """A list of terms; the values are HTML already."""
    rows = "".join(f"<div><dt>{text(term)}</dt><dd>{value}</dd></div>" for term, value in pairs)
    return f'<dl class="ns-facts">{rows}</dl>'


def table(heads: Sequence[str], rows: Iterable[Sequence[str]], *, empty: str) -> str:
    """The cells are HTML already."""
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    if not body:
        return f'<p class="ns-empty">{text(empty)}</p>'
    head = "".join(f'<th scope="col">{text(name)}</th>' for name in heads)
    return (
        f'<div class="ns-scroll" tabindex="0"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'
    )


def page_link(page: str, words: str) -> str:
    """The words, leading to the page of an exam where there is one."""
    if not page:
        return text(words)
    return f'<a href="{text(page)}" target="_blank" rel="noopener">{text(words)}</a>'


def part(title: str) -> str:
    """A heading within a page's chosen thing."""
    return f'<h2 class="ns-part">{text(title)}</h2>'


def quote(title: str, words: str) -> str:
    shown = f"<blockquote>{text(words)}</blockquote>" if words else '<p class="ns-empty">Nothing.</p>'
    return f"<h3>{text(title)}</h3>{shown}"


def cycle_label(cycle: Cycle) -> str:
    """One line of the list."""
    return f"{cycle.bot} · {cycle.started_at.astimezone(UTC):%d %b %H:%M} · {_ending(cycle)}"


def draw_cycle(cycle: Cycle) -> str:
    """Where a night stands and what came of it."""
    candidate = str(AdapterName(cycle.bot, cycle.candidate)) if cycle.candidate else NOTHING
    head = facts(
        [
            ("State", badge(_ending(cycle), tone=_tone(cycle))),
            ("Begun", f"{when(cycle.started_at)} ({text(cycle.trigger)})"),
            ("Ended", when(cycle.finished_at)),
            ("Candidate", f"<code>{text(candidate)}</code>"),
        ]
    )
    reasons = "".join(f"<li>{text(reason)}</li>" for reason in cycle.reasons)
    running = draw_progress(step=cycle.step, share=cycle.progress) if cycle.state is CycleState.RUNNING else ""
    return head + running + (f"{part('Why')}<ul>{reasons}</ul>" if reasons else "") + draw_figures(cycle.figures_json)


def draw_progress(*, step: str, share: float) -> str:
    """Every step of a running night, and how far (0..1) the present one is."""
    # A night that waits for another's training or exam says so in place of its step.
    now = STEPS.index(step) if step in STEPS else -1
    steps = "".join(
        f'<li class="{"ns-done" if index < now else "ns-now" if index == now else ""}">{name}</li>'
        for index, name in enumerate(STEPS)
    )
    bar = f'<progress max="1" value="{share:.3f}" aria-label="Progress of this step"></progress>'
    return f'<ol class="ns-steps">{steps}</ol>{bar}<p class="ns-fine">{text(step)}: {share:.0%}</p>'


def draw_figures(figures_json: str) -> str:
    """Base, production and candidate side by side; what else was measured below."""
    figures: Mapping[str, float] = json.loads(figures_json or "{}")
    if not figures:
        return ""
    rows = [
        [text(label), *(_figure(figures.get(f"{who}_{metric}")) for who in CONTESTANTS)]
        for metric, label in METRICS.items()
        if any(f"{who}_{metric}" in figures for who in CONTESTANTS)
    ]
    shown = {f"{who}_{metric}" for who in CONTESTANTS for metric in METRICS}
    rest = [(key.replace("_", " "), _figure(value)) for key, value in figures.items() if key not in shown]
    compared = table(["", "Base", "Production", "Candidate"], rows, empty="") if rows else ""
    return part("Figures") + compared + (facts(rest) if rest else "")


def draw_report(markdown: str) -> str:
    """A report's words: they quote what people wrote and models answered, so nothing in them is alive."""
    return without_template(draw_markdown(markdown, css_class="ns-words"))


def draw_hold(hold: Hold | None) -> str:
    if hold is None:
        return ""
    return (
        f'<p class="ns-held"><strong>{text(hold.bot)} is held</strong>: no version goes live by itself until it is '
        f"released. {when(hold.armed_at)}, by {text(hold.armed_by)}: {text(hold.reason)}</p>"
    )


def _draw_stage(adapter: Adapter) -> str:
    stage = badge(adapter.stage, tone="good" if adapter.stage == "production" else "plain")
    return f"{stage} {badge('tainted', tone='bad')}" if adapter.tainted_at and adapter.stage != "tainted" else stage


def draw_adapters(rows: Sequence[AdapterRow]) -> str:
    return table(
        ["Adapter", "Stage", "Trained", "Content", "Verdict of its night"],
        [
            [
                f"<code>{text(row.adapter.name)}</code>",
                _draw_stage(row.adapter),
                when(row.adapter.created_at),
                f'<code title="{text(row.adapter.content_hash)}">{text(row.adapter.content_hash[:12])}</code>',
                page_link(row.page, row.verdict),
            ]
            for row in rows
        ],
        empty="No adapter yet. The first night that has enough data trains one.",
    )


def draw_events(events: Sequence[Event]) -> str:
    return table(
        ["When", "Who", "What", "Which", "Why"],
        [
            [when(e.at), text(e.actor), text(e.action), f"<code>{text(e.subject)}</code>", text(e.reason)]
            for e in events
        ],
        empty="Nothing has been moved yet.",
    )


def _ending(cycle: Cycle) -> str:
    if cycle.state is CycleState.RUNNING:
        return f"{cycle.step} {cycle.progress:.0%}"
    return str(cycle.outcome or cycle.state)


def _tone(cycle: Cycle) -> str:
    if cycle.state is CycleState.FAILED:
        return "bad"
    return "good" if cycle.outcome is Outcome.PROMOTE else "plain"


def _figure(value: float | None) -> str:
    if value is None:
        return NOTHING
    return f"{value:,.0f}" if float(value).is_integer() and abs(value) >= 1 else f"{value:,.3f}"
