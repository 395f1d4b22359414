"""Which votes are stopped before anything is learnt from them, and which are not, however suspicious they look."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tune.bounds import Bounds
from tune.screens import Screen, Screened, screen_opinions, screen_preferences
from tune.snapshot import Snapshot, read_snapshot
from tune.words import VoteRef

from ..tables import read_table
from .test_bounds import NOUNS
from .test_dataset import build

BOUNDS = Bounds(burst_votes=8)
ADA, EVE = "browser:ada", "browser:eve"


def ask(record: Any, person: str, number: int) -> str:
    """Everybody who asks so gets this answer."""
    _, answer = record.talk(f"{person} {number}", f"What about the {NOUNS[number]}?", f"{NOUNS[number]}.", owner=person)
    return str(answer)


def ask_own(record: Any, person: str, number: int) -> str:
    """Nobody else asks that."""
    _, answer = record.talk(f"{person} own {number}", f"{person} {number} {NOUNS[number]}?", "Yes.", owner=person)
    return str(answer)


def crowd(record: Any, texts: int, vote: str = "up", *, persons: int = 6) -> None:
    """Honest people who take their time, a day apart."""
    for number in range(persons):
        for text in range(texts):
            record.vote(ask(record, f"browser:p{number}", text), vote, voter=f"browser:p{number}")
        record.wait(days=1)


def vote_fast(record: Any, person: str, answers: list[str], vote: str) -> None:
    """A minute between two."""
    for answer in answers:
        record.vote(answer, vote, voter=person)


def screen(record: Any, bounds: Bounds = BOUNDS, **changes: Any) -> Screened:
    return screen_opinions(changed(read_snapshot(record.write("again" if changes else "snapshot")), **changes), bounds)


def changed(snapshot: Snapshot, **changes: Any) -> Snapshot:
    """With what Eve said changed."""
    opinions = {
        name: tuple(replace(o, **changes) if o.voter == EVE else o for o in own)
        for name, own in snapshot.opinions.items()
    }
    return replace(snapshot, opinions=opinions)


def stopped(screened: Screened) -> dict[str, list[Screen]]:
    found: dict[str, list[Screen]] = {}
    for vote, why in sorted(screened.stopped.items()):
        found.setdefault(vote.voter, []).append(why)
    return found


def weights(screened: Screened) -> dict[str, set[float]]:
    found: dict[str, set[float]] = {}
    for own in screened.opinions.values():
        for opinion in own:
            found.setdefault(opinion.voter, set()).add(opinion.weight)
    return found


class TestBursts:
    def test_many_votes_within_minutes_against_what_others_say_are_stopped(self, record: Any) -> None:
        crowd(record, 10)
        vote_fast(record, EVE, [ask(record, EVE, n) for n in range(10)], "down")
        assert stopped(screen(record)) == {EVE: [Screen.BURST] * 10}
        assert stopped(screen(record, is_released=True)) == {}, "an operator let them through"

    def test_what_an_operator_keeps_out_is_stopped_and_weighs_in_no_judgement(self, record: Any) -> None:
        crowd(record, 3)
        alone = ask(record, EVE, 0)
        record.vote(alone, "down", voter=EVE)
        screened = screen(record, is_kept_out=True)
        assert stopped(screened) == {EVE: [Screen.KEPT_OUT]}
        assert alone not in screened.opinions
        assert screened.counts == {"votes that operators keep out": 1}

    def test_a_slow_critic_is_none(self, record: Any) -> None:
        crowd(record, 10)
        for number in range(10):
            record.vote(ask(record, EVE, number), "down", voter=EVE)
            record.wait(days=0.01)
        assert Screen.BURST not in stopped(screen(record)).get(EVE, [])

    def test_who_catches_up_and_says_what_all_say_is_none(self, record: Any) -> None:
        crowd(record, 10)
        vote_fast(record, ADA, [ask(record, ADA, n) for n in range(10)], "up")
        assert stopped(screen(record)) == {}

    def test_after_an_outage_everybody_is_cross(self, record: Any) -> None:
        crowd(record, 3)
        for person in (f"browser:q{n}" for n in range(6)):
            record.vote(ask_own(record, person, 1), "down", voter=person)
        vote_fast(record, ADA, [ask_own(record, ADA, n) for n in range(10)], "down")
        assert stopped(screen(record)) == {}

    def test_on_a_good_day_the_same_votes_are_a_burst(self, record: Any) -> None:
        for person in (f"browser:q{n}" for n in range(6)):
            record.vote(ask_own(record, person, 1), "up", voter=person)
        vote_fast(record, EVE, [ask_own(record, EVE, n) for n in range(10)], "down")
        assert stopped(screen(record)) == {EVE: [Screen.BURST] * 10}

    def test_who_is_right_by_an_operators_word_is_none_whatever_the_crowd_says(self, record: Any) -> None:
        crowd(record, 10)
        answers = [ask(record, ADA, n) for n in range(10)]
        vote_fast(record, ADA, answers, "down")
        for answer in answers:
            record.review(answer, approved=False)
        assert ADA not in stopped(screen(record))

    def test_fresh_browsers_behind_one_address_are_one_burst(self, record: Any) -> None:
        crowd(record, 1)
        fresh = [f"browser:fresh{n}" for n in range(10)]
        answers = [ask(record, person, 0) for person in fresh]
        for person, answer in zip(fresh, answers, strict=True):
            record.vote(answer, "down", voter=person)
        snapshot = read_snapshot(record.write())
        assert Screen.BURST not in screen_opinions(snapshot, BOUNDS).stopped.values()
        behind = replace(
            snapshot,
            opinions={
                name: tuple(replace(o, address="a1") if o.voter in fresh else o for o in own)
                for name, own in snapshot.opinions.items()
            },
        )
        assert set(stopped(screen_opinions(behind, BOUNDS))) == set(fresh)

    def test_two_sprees_of_one_person_are_looked_at_apart(self, record: Any) -> None:
        crowd(record, 18)
        vote_fast(record, EVE, [ask(record, EVE, n) for n in range(9)], "up")
        record.wait(days=0.1)
        vote_fast(record, EVE, [ask(record, EVE, n) for n in range(9, 18)], "down")
        assert stopped(screen(record, Bounds(burst_votes=8, weighs_persons=False))) == {EVE: [Screen.BURST] * 9}


class TestPersons:
    @pytest.mark.parametrize(("against", "weight"), [(1, 0.5), (2, 0.2075), (3, None)])
    def test_who_contradicts_operators_loses_weight_down_to_nothing(
        self, record: Any, against: int, weight: float | None
    ) -> None:
        """Right in 4 of 5 trials of the prior, and in 4 of 5 + n then: log(4/2)/log 4, log(4/3)/log 4, log 1."""
        for number in range(against):
            answer = ask(record, EVE, number)
            record.vote(answer, "up", voter=EVE)
            record.review(answer, approved=False)
        record.vote(ask_own(record, EVE, 9), "up", voter=EVE)
        found = screen(record)
        assert weights(found) == ({EVE: {weight}} if weight else {})
        assert stopped(found) == ({} if weight else {EVE: [Screen.CONTRADICTION] * 4})
        assert found.lighter == int(weight is not None)

    def test_who_agrees_with_them_weighs_no_more_than_a_stranger(self, record: Any) -> None:
        for number in range(5):
            answer = ask(record, ADA, number)
            record.vote(answer, "up", voter=ADA)
            record.review(answer, approved=True)
        assert weights(screen(record)) == {ADA: {1.0}}

    def test_a_changed_mind_is_the_mind(self, record: Any) -> None:
        for number in range(3):
            answer = ask(record, ADA, number)
            record.review(answer, approved=True)
            record.vote(answer, "down", voter=ADA)
            record.vote(ask(record, ADA, number), "up", voter=ADA)
        assert weights(screen(record)) == {ADA: {1.0}}

    def test_who_contradicts_nearly_everybody_is_stopped(self, record: Any) -> None:
        crowd(record, 10)
        for number in range(10):
            record.vote(ask(record, EVE, number), "down", voter=EVE)
            record.wait(days=0.1)
        found = screen(record)
        assert stopped(found) == {EVE: [Screen.CONTRADICTION] * 10}
        assert all(weights(found)[f"browser:p{n}"] == {1.0} for n in range(6))

    def test_who_slips_one_time_in_ten_weighs_as_all_do(self, record: Any) -> None:
        crowd(record, 10)
        for number in range(10):
            record.vote(ask(record, ADA, number), "down" if number == 3 else "up", voter=ADA)
        assert weights(screen(record))[ADA] == {1.0}

    def test_a_crowd_behind_one_address_outvotes_nobody(self, record: Any) -> None:
        """Eleven of them dislike ten texts; with their addresses known they are one voice against three."""
        for number in range(3):
            for text in range(10):
                record.vote(ask(record, f"browser:p{number}", text), "up", voter=f"browser:p{number}")
            record.wait(days=1)
        for number in range(11):
            for text in range(10):
                record.vote(ask(record, f"browser:x{number}", text), "down", voter=f"browser:x{number}")
            record.wait(days=1)
        snapshot = read_snapshot(record.write())
        bounds = Bounds(burst_votes=0)
        assert "browser:p0" in stopped(screen_opinions(snapshot, bounds)), "nobody can tell these from people"
        behind = {
            name: tuple(replace(o, address="a1") if o.voter.startswith("browser:x") else o for o in own)
            for name, own in snapshot.opinions.items()
        }
        found = screen_opinions(replace(snapshot, opinions=behind), bounds)
        assert {voter[:9] for voter in stopped(found)} == {"browser:x"}

    def test_nobody_weighs_people_where_the_file_says_so(self, record: Any) -> None:
        crowd(record, 10)
        for number in range(10):
            record.vote(ask(record, EVE, number), "down", voter=EVE)
        assert stopped(screen(record, Bounds(weighs_persons=False, burst_votes=0))) == {}


class TestCopies:
    def suggest(self, record: Any, person: str, number: int, text: str) -> None:
        record.vote(ask(record, person, number), "down", voter=person, ideal=text)

    def test_forty_fresh_browsers_with_one_planted_answer_say_it_once(self, record: Any) -> None:
        for number in range(40):
            text = ("Call 0900 {} for it", "call 0900 {} for it, please!", "Please just call 0900 {} for it.")[
                number % 3
            ]
            self.suggest(record, f"browser:f{number:02}", number % 2, text.format(1000 + number))
        found = screen(record)
        assert stopped(found) == {f"browser:f{number:02}": [Screen.COPY] for number in range(1, 40)}

    def test_a_few_newcomers_may_think_alike(self, record: Any) -> None:
        for number in range(4):
            self.suggest(record, f"browser:f{number}", 0, "Within 30 days.")
        assert stopped(screen(record)) == {}

    def test_whoever_is_known_may_say_what_all_say_and_so_may_many_who_say_different_things(self, record: Any) -> None:
        known = [f"browser:k{number}" for number in range(8)]
        record.know(*known)
        for person in known:
            self.suggest(record, person, 0, "Within 30 days.")
        for number in range(8):
            self.suggest(record, f"browser:f{number}", 0, f"It is {NOUNS[number]} and {NOUNS[number + 8]}.")
        assert stopped(screen(record, Bounds(burst_votes=0))) == {}


class TestStrangers:
    """Forty fresh browsers that only dislike what others like, and people who are not that."""

    @pytest.fixture
    def record(self, record: Any) -> Any:
        """Six people like the first answer."""
        crowd(record, 1)
        return record

    def dislike(self, record: Any, *, of: int, days: int = 1, number: int = 0, also: int | None = None) -> None:
        for day in range(days):
            for person in (f"browser:fresh{day}-{n}" for n in range(of)):
                record.vote(ask(record, person, number), "down", voter=person, address=person)
                if also is not None:
                    record.vote(ask(record, person, also), "up", voter=person, address=person)
            record.wait(days=1)

    def test_they_are_heard_once_a_day_against_what_others_say(self, record: Any) -> None:
        self.dislike(record, of=40, days=2)
        found = screen(record)
        assert set(found.stopped.values()) == {Screen.STRANGERS}
        assert found.counts == {
            "votes of newcomers who only said the same of one answer against others, but for the first": 78
        }

    def test_a_few_are_people(self, record: Any) -> None:
        self.dislike(record, of=4)
        assert stopped(screen(record)) == {}

    def test_who_says_something_else_too_is_a_person(self, record: Any) -> None:
        self.dislike(record, of=10, also=1)
        assert stopped(screen(record)) == {}

    def test_where_nobody_says_otherwise_many_are_right(self, record: Any) -> None:
        self.dislike(record, of=10, number=2)
        assert stopped(screen(record)) == {}

    def test_whom_an_operator_agrees_with_is_right(self, record: Any) -> None:
        self.dislike(record, of=10)
        record.review(ask(record, "browser:someone", 0), approved=False)
        assert stopped(screen(record)) == {}

    def test_after_an_outage_newcomers_are_cross_too(self, record: Any) -> None:
        for person in (f"browser:cross{n}" for n in range(8)):
            record.vote(ask_own(record, person, 1), "down", voter=person, address=person)
        self.dislike(record, of=10)
        assert stopped(screen(record)) == {}


class TestDays:
    def test_an_address_has_so_many_votes_a_day(self, record: Any) -> None:
        for number in range(6):
            person = f"browser:p{number}"
            record.vote(ask_own(record, person, number), "up", voter=person)
        snapshot = read_snapshot(record.write())
        home = {name: tuple(replace(o, address="home") for o in own) for name, own in snapshot.opinions.items()}
        found = screen_opinions(replace(snapshot, opinions=home), Bounds(address_votes_a_day=4))
        assert stopped(found) == {"browser:p4": [Screen.ADDRESS_DAY], "browser:p5": [Screen.ADDRESS_DAY]}

    def test_a_family_behind_one_address_is_heard(self, record: Any) -> None:
        crowd(record, 5)
        family = [f"browser:f{n}" for n in range(4)]
        for person in family:
            for number in range(5):
                record.vote(ask(record, person, number), "up", voter=person)
        snapshot = read_snapshot(record.write())
        home = {
            name: tuple(replace(o, address="home") if o.voter in family else o for o in own)
            for name, own in snapshot.opinions.items()
        }
        assert stopped(screen_opinions(replace(snapshot, opinions=home), BOUNDS)) == {}


def test_three_people_are_heard_though_they_disagree(record: Any) -> None:
    """All whom a bot has: no two of them are a general opinion."""
    for person, vote in (("browser:a", "up"), ("browser:b", "down"), ("browser:c", "down")):
        vote_fast(record, person, [ask(record, person, n) for n in range(10)], vote)
    found = screen(record)
    assert (stopped(found), found.lighter) == ({}, 0)


def test_a_key_alone_is_nobody_and_never_stopped(record: Any) -> None:
    crowd(record, 10)
    for number in range(10):
        answer = ask(record, "key:shop", number)
        record.vote(answer, "down", voter="key:shop")
        record.review(answer, approved=True)
    assert "key:shop" not in stopped(screen(record, Bounds(burst_votes=8, votes_a_day=1)))


def test_no_votes_and_only_rulings_are_nothing_to_screen(record: Any) -> None:
    assert screen(record).stopped == {}
    record.review(ask(record, ADA, 1), approved=True)
    assert screen_opinions(read_snapshot(record.write("ruled")), BOUNDS).opinions == {}


def test_the_order_of_the_records_rows_changes_nothing(record: Any) -> None:
    crowd(record, 6)
    vote_fast(record, EVE, [ask(record, EVE, n) for n in range(6)], "down")
    one = screen(record)
    for rows in record.rows.values():
        rows.reverse()
    other = screen_opinions(read_snapshot(record.write("reversed")), BOUNDS)
    assert (one.stopped, weights(one)) == (other.stopped, weights(other))


def test_what_is_stopped_is_counted_on_the_card_and_told_to_whoever_voted(record: Any, tmp_path: Path) -> None:
    crowd(record, 10)
    vote_fast(record, EVE, [ask(record, EVE, n) for n in range(10)], "down")
    built = build(record, tmp_path / "sets", bounds=BOUNDS)
    assert "| votes of a burst against what others say | 10 |" in (built.folder / "card.md").read_text()
    told = {row["reason"] for row in read_table(built.folder / "left_out.parquet") if row["voter"] == EVE}
    assert told == {Screen.BURST.value}


def test_comparisons_are_bounded_by_the_day_as_votes_are(record: Any) -> None:
    for number in range(4):
        question, older = record.talk(f"c{number}", f"Question {number}?", "Never.", owner="browser:a")
        newer = record.say(f"c{number}", "Within 30 days.", role="assistant", parent=question)
        record.prefer(newer, older, voter="browser:a")
    snapshot, bounds = read_snapshot(record.write()), Bounds(votes_a_day=3)
    kept = screen_preferences(snapshot, bounds, screen_opinions(snapshot, bounds))
    assert [preferred.conversation_id for preferred in kept] == ["c0", "c1", "c2"]


def test_nothing_is_compared_by_whom_a_screen_stopped_for_what_they_say(record: Any) -> None:
    question, older = record.talk("c", "Refund?", "Never.", owner="browser:a")
    newer = record.say("c", "Within 30 days.", role="assistant", parent=question)
    record.prefer(newer, older, voter="browser:liar")
    snapshot, bounds = read_snapshot(record.write()), Bounds()
    for why, kept in ((Screen.CONTRADICTION, ()), (Screen.PERSON_DAY, snapshot.preferences)):
        screened = Screened({}, {VoteRef("elsewhere", "browser:liar"): why}, 0)
        assert screen_preferences(snapshot, bounds, screened) == kept
