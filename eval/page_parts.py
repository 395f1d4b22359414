"""The pieces of an evaluation's page: tables, charts with their words, answers side by side. Findings in, HTML out.

Whatever a person or a model wrote is escaped where it enters, by `text`. Knows no page and no folder. Pure.
"""

import html
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from eval.answers import Label
from eval.background import Fact, NightPoint
from eval.charts import draw_gains, draw_interval, draw_nights, scale_of
from eval.complaints import Complaint, SuiteLine
from eval.findings import FaultRow, FigureRow, Findings, GainRow, Measured, SampleRow, TopicRow
from eval.worddiff import diff_words

NOT_MEASURED: Final = "n/a"


def text(value: object) -> str:
    """Inert, whatever it holds."""
    return html.escape(str(value).replace("\0", "\N{REPLACEMENT CHARACTER}"))


def table(caption: str, heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """The first cell of a row is its head; cells are HTML already."""
    head = "".join(f'<th scope="col">{text(name)}</th>' for name in heads)
    body = "".join(_row(row) for row in rows)
    # A box that scrolls is reached by keyboard, and then wants a name.
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{text(caption)}"><table>'
        f"<caption>{text(caption)}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def facts(pairs: Iterable[Fact]) -> str:
    rows = "".join(f"<div><dt>{text(pair.term)}</dt><dd>{text(pair.value)}</dd></div>" for pair in pairs)
    return f"<dl>{rows}</dl>"


def draw_reasons(reasons: Sequence[str]) -> str:
    """What failed first."""
    items = []
    for reason in sorted(reasons, key=lambda reason: reason.startswith("passed: ")):
        kind, colon, sentence = reason.partition(": ")
        if kind not in {"passed", "failed"}:
            kind, colon, sentence = "", "", reason
        mark = f"<b>{kind}{colon.strip()}</b>" if kind else ""
        items.append(f'<li class="{kind}">{mark}{text(sentence)}</li>')
    return f'<ul class="reasons">{"".join(items)}</ul>'


def draw_gain_table(gains: Sequence[GainRow], *, primary: str) -> str:
    scale = scale_of([row.gain for row in gains], around_zero=True)
    rows = (
        [
            f'<span class="{row.over}">over {row.over}</span>',
            measured(row.gain, sign="+"),
            draw_interval(row.gain, scale, css_class="candidate", with_zero=True),
        ]
        for row in gains
    )
    caption = (
        f"Mean gain of the candidate in {primary}, between the bounds that the gate goes by; the dashed line is no gain"
    )
    return table(caption, ["", "gain", "interval"], rows)


def draw_figures(figures: Sequence[FigureRow], *, level: str) -> Iterator[str]:
    """A table and a chart for each figure that has intervals, then one table of the plain ones."""
    for figure in figures:
        if any(of.low is not None for of in figure.of.values()):
            scale = scale_of(figure.of.values())
            rows = (
                [f'<span class="{label}">{label}</span>', measured(of), draw_interval(of, scale, css_class=label)]
                for label, of in figure.of.items()
            )
            yield table(f"{_titled(figure)}, with {level} intervals", ["", figure.title, "interval"], rows)
    plain = [figure for figure in figures if all(of.low is None for of in figure.of.values())]
    if plain:
        labels = list(plain[0].of)
        rows = ([text(_titled(figure)), *(measured(figure.of[label]) for label in labels)] for figure in plain)
        yield table("Further figures", ["", *labels], rows)


def draw_faults(faults: Sequence[FaultRow]) -> str:
    labels = list(faults[0].share)
    rows = ([text(row.fault), *(f"{row.share[label]:.1%}" for label in labels)] for row in faults)
    return table("Share of answers with a fault (docs/gate.md says what each is)", ["fault", *labels], rows)


def draw_topics(topics: Sequence[TopicRow], *, rival: Label) -> str:
    bounds = [Measured(value=topic.mean, low=topic.mean, high=topic.high) for topic in topics]
    scale = scale_of(bounds, around_zero=True)
    rows = (
        [
            text(topic.topic),
            str(topic.rows),
            f"{topic.mean:+.3f}<small>at most {_number(topic.high, sign='+')}</small>",
            draw_interval(bound, scale, css_class="candidate", with_zero=True),
        ]
        for topic, bound in zip(topics, bounds, strict=True)
    )
    caption = f"Mean gain over {rival} by topic, up to its upper bound; topics of too few rows are not judged"
    return table(caption, ["topic", "rows", "gain", "interval"], rows)


def draw_row_gains(findings: Findings) -> str:
    equal = findings.rows - findings.better - findings.worse
    words = (
        f"Gain over {findings.rival} row by row, sorted: better on {findings.better}, worse on {findings.worse}, "
        f"equal on {equal} of {findings.rows}"
    )
    return f"<figure><figcaption>{text(words)}</figcaption>{draw_gains(findings.row_gains)}</figure>"


def draw_night_points(nights: Sequence[NightPoint]) -> str:
    gains, kinds = [night.gain for night in nights], [night.outcome.value for night in nights]
    words = f"Gain of each night's candidate over whom it had to beat, {nights[0].night} to {nights[-1].night}"
    rows = (
        [
            text(night.night),
            text(night.candidate),
            f'<span class="{night.outcome.value}">{night.outcome.value}</span>',
            measured(night.gain, sign="+"),
            *(_number(night.scores.get(label)) for label in ("base", "production", "candidate")),
        ]
        for night in reversed(nights)
    )
    scores = (f"token F1: {label}" for label in ("base", "production", "candidate"))
    heads = ["night", "candidate", "verdict", "gain", *scores]
    drawn = f"<figure><figcaption>{text(words)}</figcaption>{draw_nights(gains, kinds=kinds)}</figure>"
    return drawn + "<p></p>" + table("Night by night, the newest first", heads, rows)


def draw_suites(suites: Sequence[SuiteLine], *, problems: Sequence[str]) -> str:
    labels = list(dict.fromkeys(label for line in suites for label in line.of))
    rows = ([text(line.name), *(line.tell(label) for label in labels)] for line in suites)
    drawn = table("Cases passed, of those that could be judged", ["suite", *labels], rows)
    return drawn + "".join(f"<p>Not asked: {text(problem)}</p>" for problem in problems)


def draw_complaints(complaints: Sequence[Complaint]) -> str:
    rows = (
        [
            text(complaint.question),
            _state(complaint),
            f"{text(complaint.answer)}<small>{text('; '.join(complaint.why))}</small>",
        ]
        for complaint in complaints
    )
    return table("Complaints that somebody corrected, asked again", ["complaint", "now", "the candidate says"], rows)


def draw_sample(sample: SampleRow, *, rival: Label) -> str:
    """What production said, and below it the candidate's words with what is gone and what is new."""
    old, new = sample.answers.get(rival, ""), sample.answers.get("candidate", "")
    gain = "no number" if sample.gain is None else f"{sample.gain:+.3f}"
    return (
        f'<section class="card"><h3>Lost <span class="worse">{gain}</span></h3>'
        f'<p class="soft">Asked</p><blockquote>{text(sample.asked)}</blockquote><div class="pair">'
        f'<div><p class="soft">{text(rival)}</p><blockquote>{text(old) or "<i>nothing</i>"}</blockquote></div>'
        f'<div><p class="soft">candidate, beside it</p><blockquote>{draw_diff(old, new)}</blockquote></div>'
        f'<div><p class="soft">what a person wrote</p><blockquote>{text(sample.reference)}</blockquote></div>'
        "</div></section>"
    )


def draw_diff(before: str, after: str) -> str:
    tags = {"same": "{}", "gone": "<del>{}</del>", "new": "<ins>{}</ins>"}
    return "".join(tags[piece.kind].format(text(piece.text)) for piece in diff_words(before, after))


def measured(of: Measured, *, sign: str = "") -> str:
    """The value, and its bounds below."""
    if of.value is None or of.low is None or of.high is None:
        return _number(of.value, sign=sign)
    return f"{of.value:{sign}.3f}<small>{of.low:{sign}.3f} to {of.high:{sign}.3f}</small>"


def _number(value: float | None, *, sign: str = "") -> str:
    return NOT_MEASURED if value is None else f"{value:{sign}.3f}"


def _titled(figure: FigureRow) -> str:
    return f"{figure.title} (less is better)" if figure.better == "less" else figure.title


def _state(complaint: Complaint) -> str:
    match complaint.was_right, complaint.is_right:
        case _, None:
            return "not judged"
        case False, True:
            return '<span class="better">fixed</span>'
        case _, True:
            return '<span class="better">right</span>'
        case True, False:
            return '<span class="worse">broken anew</span>'
    return '<span class="worse">still open</span>'


def _row(cells: Sequence[str]) -> str:
    head, *rest = cells
    drawn = "".join(
        f'<td class="chart">{cell}</td>' if cell.startswith("<svg") else f"<td>{cell}</td>" for cell in rest
    )
    return f'<tr><th scope="row">{head}</th>{drawn}</tr>'
