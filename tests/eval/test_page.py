"""The page of an evaluation: the verdict comes first, nothing is fetched, and nothing that was said is alive."""

import json
from html.parser import HTMLParser
from pathlib import Path

import pytest

from eval.findings import Findings, read_findings
from eval.page import draw_page, write_page
from eval.worddiff import diff_words
from nightschool.errors import InvalidInput

from ..finished_evaluation import background, evaluate

EVIL = "</style></p><script>alert(1)</script><img src=//evil.example/x onerror=alert(2)> \"' &amp; ${x} \0"


class Reader(HTMLParser):
    """Every tag, every attribute that could fetch or run something, and every word."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.reached: list[str] = []
        self.headings: list[str] = []
        self.words = ""
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag not in {"meta", "line", "rect"}:
            self.open.append(tag)
        fetching = {"src", "href", "srcset", "action", "data", "poster", "xlink:href", "style", "background"}
        self.reached += [f"{name}={value}" for name, value in attrs if name in fetching or name.startswith("on")]

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "style":
            assert "url(" not in data
            assert "@import" not in data
            return
        if self.open and self.open[-1] in {"h1", "h2"}:
            self.headings.append(data)
        self.words += data


def read(page: str) -> Reader:
    reader = Reader()
    reader.feed(page)
    reader.close()
    assert reader.open == []
    return reader


def test_a_reader_finds_the_verdict_first_and_then_why(tmp_path: Path) -> None:
    page = read(draw_page(evaluate(tmp_path), background=background()))
    words = page.words
    parts = [
        "A night", "Why", "What it gains", "By topic", "Figures", "Over the nights", "Where it lost most",
        "What it was trained on", "Cost in time",
    ]  # fmt: skip
    assert [heading.strip() for heading in page.headings] == parts
    assert words.index("reject") < words.index("Why") < words.index("failed")
    assert words.index("failed") < words.index("passed")
    assert "better on 9, worse on 3, equal on 0 of 12" in words
    assert "2026-03-03" in words
    assert "4 of 12 rows are of the last 14 days: the mean gain is +" in words
    # Whatever a night was judged by, this is what its columns hold.
    assert "token F1: production" in words


def test_the_page_fetches_nothing_and_runs_nothing(tmp_path: Path) -> None:
    raw = draw_page(evaluate(tmp_path, evil=EVIL), background=background(EVIL))
    page = read(raw)
    assert page.reached == []
    assert set(page.tags).isdisjoint({"script", "img", "link", "iframe", "object", "embed", "form", "base", "a"})
    assert "default-src 'none'" in raw
    assert "\0" not in raw
    # What was said is there to be read, letter for letter.
    assert "<script>alert(1)</script>" in page.words


def test_tables_are_named_and_have_heads(tmp_path: Path) -> None:
    raw = draw_page(evaluate(tmp_path), background=background())
    assert raw.count("<table>") == raw.count("<caption>") == raw.count('role="region" aria-label="') > 5
    assert raw.count("<tr>") == raw.count('scope="row"') + raw.count("<thead>")
    assert raw.startswith('<!doctype html>\n<html lang="en">')


def test_what_was_lost_stands_side_by_side_with_a_word_diff(tmp_path: Path) -> None:
    findings = evaluate(tmp_path)
    assert [sample.row_id for sample in findings.samples] == ["r00", "r04", "r08"]
    raw = draw_page(findings)
    assert raw.count("<ins>twenty </ins>") == 3
    assert "<del>thirty days in all </del>" in raw
    assert "Over the nights" not in raw


def test_a_better_candidate_lost_nothing(tmp_path: Path) -> None:
    findings = evaluate(tmp_path).model_copy(update={"samples": ()})
    assert "On no row is the candidate worse than production." in draw_page(findings)


def test_an_exam_without_rows_is_a_page_too(tmp_path: Path) -> None:
    findings = evaluate(tmp_path, rows=0)
    page = read(draw_page(findings))
    assert page.headings == ["An evaluation", "Why"]
    assert "insufficient-data" in page.words


def test_complaints_and_suites_are_shown_where_they_were_asked(tmp_path: Path) -> None:
    def result(name: str, contestant: str, *statuses: str) -> dict[str, object]:
        cases = [
            {"case_id": f"k{i}", "status": status, "question": f"complaint {i}", "text": "so", "kind": "",
             "failed_checks": ["says <b>thirty</b> days"] if status == "failed" else []}
            for i, status in enumerate(statuses)
        ]  # fmt: skip
        return {"name": name, "contestant": contestant, "cases": cases, "figures": {}}

    results = [
        result("general", "candidate", "measured") | {"figures": {"perplexity": 8.314}},
        result("mt_bench", "candidate", "measured"),
        result("regression", "production", "failed", "failed", "passed", "passed", "void"),
        result("regression", "candidate", "passed", "failed", "failed", "passed", "void"),
        result("golden", "candidate", "passed", "failed"),
    ]
    evaluate(tmp_path)
    (tmp_path / "suites.json").write_text(
        json.dumps({"schema_version": 1, "results": results, "problems": ["ifeval: <gone>"]})
    )
    raw = draw_page(read_findings(tmp_path))
    words = read(raw).words
    for state in ("fixed", "still open", "broken anew", "right", "not judged"):
        assert words.count(state) >= 1
    assert words.index("still open") < words.index("fixed")
    assert "says <b>thirty</b> days" in words
    assert "2 of 4" in words
    assert "1 of 2" in words
    assert "perplexity 8.31" in words
    assert "measured" in words
    assert "Not asked: ifeval: <gone>" in words
    (tmp_path / "suites.json").write_text('{"results": [{"name"')
    assert read_findings(tmp_path).suites == ()


def test_the_files_hold_the_same_and_are_written_twice_alike(tmp_path: Path) -> None:
    findings = evaluate(tmp_path / "evaluation")
    for _ in range(2):
        write_page(tmp_path, findings, background=background())
    stored = json.loads((tmp_path / "report.json").read_text())
    assert stored.pop("background") == background().model_dump(mode="json")
    assert Findings.model_validate(stored) == findings
    assert (tmp_path / "report.html").read_text() == draw_page(findings, background=background())


def test_what_is_no_evaluation_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="is not a verdict"):
        read_findings(tmp_path)


def test_a_verdict_of_another_nightschool_is_none(tmp_path: Path) -> None:
    evaluate(tmp_path / "evaluation")
    file = tmp_path / "evaluation" / "verdict.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"schema_version": 3}))
    with pytest.raises(InvalidInput, match="is not a verdict"):
        read_findings(tmp_path / "evaluation")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", ""), ("a b c", "a c"), ("same", "same"), ("", "new\n words"), ("x " * 3_000, "x " * 2_000 + "y"),
        (" lead", "lead "),
    ],
)  # fmt: skip
def test_a_word_diff_holds_both_texts(before: str, after: str) -> None:
    pieces = diff_words(before, after)
    assert "".join(piece.text for piece in pieces if piece.kind != "new") == before
    assert "".join(piece.text for piece in pieces if piece.kind != "gone") == after
