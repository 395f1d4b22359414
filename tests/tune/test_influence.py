"""One person, and one address, has a bounded share of what is learnt, by weight, and the card says how much."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from nightschool.files import read_manifest
from tune.addresses import forget_gateways
from tune.bounds import Bounds
from tune.influence import largest_share, limit_influence
from tune.rows import Named
from tune.select import Lesson, Lineage
from tune.snapshot import read_snapshot

from .test_bounds import fill, like
from .test_dataset import Built, build, rows

NOBODY = Lineage((), (), (), False)


def lessons(*weights: tuple[str, float]) -> list[Named]:
    return [Named(f"{who} {n}", Lesson(who, (), NOBODY, weight)) for n, (who, weight) in enumerate(weights)]


def whose(named: Named) -> frozenset[str]:
    """The letters of the conversation's name; of "-" nobody."""
    return frozenset(named.row.conversation_id.replace("-", ""))


def weights(named: tuple[Named, ...], who: str) -> float:
    return sum(one.row.weight for one in named if who in one.row.conversation_id)


def test_whoever_has_more_than_their_share_keeps_all_rows_each_lighter() -> None:
    """Of 90 rows at a tenth and 20 in full, 20 of 29 are one's; a quarter of 9 + x is x = 3, and five rows are less."""
    found = limit_influence(lessons(*[("-", 1.0)] * 90, *[("a", 1.0)] * 60), whose, share=0.25)
    assert len(found) == 150
    assert weights(found, "a") == pytest.approx(30, rel=0.01)
    assert weights(found, "-") == 90
    assert largest_share(found, whose) == pytest.approx(0.25, rel=0.01)


def test_five_full_rows_are_never_too_much_and_nothing_is_made_heavier() -> None:
    given = lessons(("a", 1.0), ("b", 0.5), ("c", 1.0))
    assert limit_influence(given, whose, share=0.1) == tuple(given)
    many = limit_influence(lessons(*[("a", 1.0)] * 50), whose, share=0.1)
    assert weights(many, "a") == pytest.approx(5, rel=0.01)
    assert limit_influence([], whose, share=0.1) == ()
    assert largest_share([], whose) == 0


def test_a_row_of_two_is_as_light_as_the_one_who_has_too_much() -> None:
    found = limit_influence(lessons(*[("ab", 1.0)] * 10, *[("b", 1.0)] * 10, *[("-", 1.0)] * 80), whose, share=0.1)
    assert weights(found, "b") <= 0.1 * (80 + weights(found, "b")) * 1.01
    assert weights(found, "a") < 10


def influence(built: Built, key: str) -> float:
    manifest = read_manifest(built.folder)
    assert manifest
    return float(manifest.about[f"influence.{key}"] or 0)


def test_an_address_is_bounded_whoever_votes_from_it_and_card_and_manifest_say_so(record: Any, tmp_path: Path) -> None:
    fill(record, "import", 60)
    for number in range(8):
        person = f"browser:p{number}"
        for answer in fill(record, person, 5, start=100 + 10 * number):
            record.vote(answer, "up", voter=person, address="a1")
    built = build(record, tmp_path / "sets", bounds=Bounds(address_train_share=0.2, burst_votes=0))
    assert influence(built, "sft.address") == pytest.approx(0.2, rel=0.02)
    assert influence(built, "sft.person") < 0.1
    told = "Largest influence of one person, by weight:"
    assert told in (built.folder / "card.md").read_text()
    of_people = [r for r in rows(built, "sft_train.parquet") if r["conversation_id"].startswith("browser")]
    assert len(of_people) == 40
    assert all(row["weight"] < 1 for row in of_people)


def test_what_an_operator_let_in_is_nobodys_and_never_lighter(record: Any, tmp_path: Path) -> None:
    answers = fill(record, "browser:ada", 30)
    for answer in answers:
        record.vote(answer, "up", voter="browser:ada", address="a1")
        record.review(answer, approved=True)
    built = build(record, tmp_path / "sets", bounds=Bounds(votes_a_day=100))
    assert [row["weight"] for row in rows(built, "sft_train.parquet")] == [1.0] * 30
    assert (influence(built, "sft.person"), influence(built, "sft.address")) == (0, 0)


def test_old_rows_of_others_make_nobody_a_bigger_share(record: Any, tmp_path: Path) -> None:
    """Forty people's likes are four half-lives old; twelve fresh rows of one would be more than their share."""
    for number in range(40):
        like(record, fill(record, f"browser:p{number}", 2, start=10 * number), f"browser:p{number}")
    record.wait(days=120)
    like(record, fill(record, "browser:eve", 8, start=900), "browser:eve")
    built = build(record, tmp_path / "sets", half_life_days=30.0, bounds=Bounds(burst_votes=0))
    mine = [r["weight"] for r in rows(built, "sft_train.parquet") if r["conversation_id"].startswith("browser_eve")]
    assert (len(mine), sum(mine)) == (8, pytest.approx(5, rel=0.01))


@pytest.mark.parametrize(("persons", "days", "stands"), [(20, 6, False), (19, 6, True), (20, 1, True)])
def test_an_address_behind_which_a_firm_sits_says_nothing(record: Any, persons: int, days: int, stands: bool) -> None:
    for number in range(persons):
        person = f"browser:p{number}"
        _, answer = record.talk(f"c{number}", f"Question {number}?", "Yes.", owner=person)
        record.vote(answer, "up", voter=person, address="a1")
        if number % (persons // days) == 0:
            record.minutes += timedelta(days=1) // timedelta(minutes=1) if days > 1 else 0
    found = forget_gateways(read_snapshot(record.write()))
    assert {o.address for own in found.opinions.values() for o in own} == ({"a1"} if stands else {""})
