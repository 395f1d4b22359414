"""The shipped conversations: many, all different, and in agreement with the company's one fact sheet."""

import itertools
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from rensa import RMinHash

from collect.knowledge.document import Document
from collect.knowledge.documents import read_document
from collect.knowledge.passages import cut

FOLDER = Path(__file__).parents[2] / "bots" / "lumafern"
PERMUTATIONS = 256
UNITS = r"(euro|business days?|days?|hours?|minutes?|seconds?|months?|years?|%|litres?|metres?)"
FIGURE = re.compile(rf"(\d+)(?: (?:to|and) (\d+))?[ -]?{UNITS}(?:\b|(?<=%))")
PLAN_PRICE = re.compile(r"\b(Sprout|Grove|Canopy)\b(?:(?!Sprout|Grove|Canopy|[.?!]).)*?(\d+) euro")


def read(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (FOLDER / name).read_text().splitlines()]


@pytest.fixture(scope="module")
def facts() -> dict[str, Any]:
    return tomllib.loads((FOLDER / "facts.toml").read_text())


@pytest.fixture(scope="module")
def training() -> list[dict[str, Any]]:
    return read("train.jsonl")


@pytest.fixture(scope="module")
def held_out() -> list[dict[str, Any]]:
    return read("heldout.jsonl")


def shingles(text: str, size: int = 3) -> list[str]:
    words = re.findall(r"\w+", text.lower())
    return [" ".join(words[i : i + size]) for i in range(max(1, len(words) - size + 1))]


def sketch(text: str, size: int = 3) -> RMinHash:
    minhash = RMinHash(num_perm=PERMUTATIONS, seed=1)
    minhash.update(shingles(text, size))
    return minhash


def whole(row: dict[str, Any]) -> str:
    return " ".join(message["content"] for message in row["messages"])


def questions(row: dict[str, Any]) -> Iterator[str]:
    return (message["content"] for message in row["messages"] if message["role"] == "user")


def answers(row: dict[str, Any]) -> Iterator[str]:
    return (message["content"] for message in row["messages"] if message["role"] == "assistant")


def test_there_are_enough_and_many_have_several_turns(
    training: list[dict[str, Any]], held_out: list[dict[str, Any]]
) -> None:
    rows = training + held_out
    assert len(rows) >= 300
    assert len(held_out) >= 60
    assert sum(len(row["messages"]) > 2 for row in rows) >= len(rows) / 4
    assert len({row["id"] for row in rows}) == len(rows)


def test_every_topic_is_in_both_parts(training: list[dict[str, Any]], held_out: list[dict[str, Any]]) -> None:
    assert {row["topic"] for row in training} == {row["topic"] for row in held_out}


def test_roles_alternate_and_the_assistant_has_the_last_word(
    training: list[dict[str, Any]], held_out: list[dict[str, Any]]
) -> None:
    for row in training + held_out:
        roles = [message["role"] for message in row["messages"]]
        assert roles == ["user", "assistant"] * (len(roles) // 2), row["id"]
        assert all(message["content"].strip() for message in row["messages"]), row["id"]


def test_any_two_conversations_differ(training: list[dict[str, Any]], held_out: list[dict[str, Any]]) -> None:
    sketches = [(row["id"], sketch(whole(row))) for row in training + held_out]
    alike = [(a, b) for (a, x), (b, y) in itertools.combinations(sketches, 2) if x.jaccard(y) >= 0.5]
    assert alike == []


def test_no_held_out_question_has_a_near_duplicate_in_training(
    training: list[dict[str, Any]], held_out: list[dict[str, Any]]
) -> None:
    known = [(row["id"], sketch(question, 2)) for row in training for question in questions(row)]
    for row in held_out:
        for question in questions(row):
            asked = sketch(question, 2)
            assert [name for name, other in known if asked.jaccard(other) >= 0.5] == [], question


def singular(unit: str) -> str:
    return unit.removesuffix("s") if unit != "business days" else "business day"


def figures(text: str) -> set[tuple[int, str]]:
    found = set()
    for low, high, unit in FIGURE.findall(text):
        found |= {(int(number), singular(unit)) for number in (low, high) if number}
    return found


def leaves(tree: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(tree, dict):
        for name, value in tree.items():
            yield from leaves(value, name)
    elif isinstance(tree, list):
        for value in tree:
            yield from leaves(value, key)
    else:
        yield key, tree


UNIT_OF_KEY = {
    "price_eur": "euro", "price_eur_month": "euro", "price_eur_year": "euro", "free_from_eur": "euro",
    "tank_litres": "litre", "battery_months": "month", "lasts_months": "month", "trial_days": "day",
    "window_days": "day", "refund_business_days": "business day", "plan_refund_days": "day",
    "damaged_report_days": "day", "warranty_years": "year", "probe_range_metres": "metre",
}  # fmt: skip


def allowed_figures(facts: dict[str, Any]) -> set[tuple[int, str]]:
    allowed: set[tuple[int, str]] = set()
    for key, value in leaves(facts):
        if key in UNIT_OF_KEY:
            allowed.add((value, UNIT_OF_KEY[key]))
        elif key == "business_days":
            allowed |= figures(f"{value} business days")
        elif isinstance(value, str):
            allowed |= figures(value)
    return allowed


def test_every_figure_an_answer_names_stands_in_the_fact_sheet(
    facts: dict[str, Any], training: list[dict[str, Any]], held_out: list[dict[str, Any]]
) -> None:
    allowed = allowed_figures(facts)
    assert (30, "day") in allowed
    strangers = {
        (row["id"], figure)
        for row in training + held_out
        for text in answers(row)
        for figure in figures(text) - allowed
    }
    assert strangers == set()


def test_a_plan_is_named_with_its_own_price(
    facts: dict[str, Any], training: list[dict[str, Any]], held_out: list[dict[str, Any]]
) -> None:
    prices = {
        plan["name"]: {plan["price_eur_month"], plan.get("price_eur_year", plan["price_eur_month"])}
        for plan in facts["plans"].values()
        if isinstance(plan, dict)
    }
    named = [
        (row["id"], plan, int(price))
        for row in training + held_out
        for text in answers(row)
        for plan, price in PLAN_PRICE.findall(text)
    ]
    assert len(named) >= 10
    assert [(row, plan, price) for row, plan, price in named if price not in prices[plan]] == []


def test_answers_invent_no_plan(training: list[dict[str, Any]], held_out: list[dict[str, Any]]) -> None:
    plans = re.compile(r"\bthe ([A-Z]\w+) plan\b")
    named = {plan for row in training + held_out for text in answers(row) for plan in plans.findall(text)}
    assert named <= {"Sprout", "Grove", "Canopy", "Lumafern"}


@pytest.fixture(scope="module")
def documents() -> dict[str, Document]:
    """By file name, as the bot reads them."""
    folder = FOLDER / "knowledge"
    return {file.name: read_document(file, folder=folder) for file in sorted(folder.iterdir())}


@pytest.fixture(scope="module")
def pages(documents: dict[str, Document]) -> dict[str, str]:
    return {name: "\n".join(block.text for block in one.blocks) for name, one in documents.items()}


def test_the_pages_that_are_no_markdown_are_what_their_script_writes(tmp_path: Path) -> None:
    script = FOLDER.parents[1] / "scripts" / "lumafern-documents"
    subprocess.run([sys.executable, str(script), str(tmp_path)], check=True)
    for written in tmp_path.iterdir():
        assert written.read_bytes() == (FOLDER / "knowledge" / written.name).read_bytes()
    assert {file.suffix for file in (FOLDER / "knowledge").iterdir()} == {".md", ".pdf", ".xlsx"}


def test_the_pages_say_what_the_fact_sheet_says_and_all_of_it(facts: dict[str, Any], pages: dict[str, str]) -> None:
    assert 12 <= len(pages) <= 20
    allowed = allowed_figures(facts)
    stated = {name: figures(page) for name, page in pages.items()}
    assert {(name, figure) for name, found in stated.items() for figure in found - allowed - {(40, "euro")}} == set()
    # What is free has no price, and a day's 24 hours are no term.
    assert allowed - set().union(*stated.values()) - {(0, "euro")} == set()


def test_the_pages_name_plans_and_contacts_as_the_fact_sheet_does(facts: dict[str, Any], pages: dict[str, str]) -> None:
    prices = {
        plan["name"]: {plan["price_eur_month"], plan.get("price_eur_year", plan["price_eur_month"])}
        for plan in facts["plans"].values()
        if isinstance(plan, dict)
    }
    for name, page in pages.items():
        assert [price for plan, price in PLAN_PRICE.findall(page) if int(price) not in prices[plan]] == [], name
        assert set(re.findall(r"\S+@\S+?(?=[\s.]*(?:\s|$))", page)) <= {facts["company"]["email"]}, name
    assert facts["company"]["phone"] in pages["contact.md"]
    assert facts["company"]["support_hours"] in pages["contact.md"]


def test_each_labelled_question_names_a_heading_that_is_there(documents: dict[str, Document]) -> None:
    headings = {passage.place for one in documents.values() for passage in cut(one)}
    labelled = read("questions.jsonl")
    assert len(labelled) >= 80
    assert {place for row in labelled for place in row["answered_by"]} <= headings
    assert len({row["question"] for row in labelled}) == len(labelled)
    assert sum(not row["answered_by"] for row in labelled) >= 8
