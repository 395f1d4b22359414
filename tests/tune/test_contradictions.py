"""Where people contradict one another: the higher word stands, equals cancel, and the card counts what fell out."""

from typing import Any

import pytest

from tune.places import Place
from tune.select import Selection, select_rows
from tune.settle import Preference, settle
from tune.snapshot import read_snapshot

from .test_select import PROMPT, learnt, select

CROSSED = "liked here, disliked there"


def ask(record: Any, name: str, answer: str, *votes: str, question: str = "How long may I return it?") -> str:
    """A chat of its own; each of `votes` is `up` or `down` by a browser of its own, or by `who=up`."""
    _, said = record.talk(name, question, answer, owner=f"browser:{name}")
    for number, vote in enumerate(votes):
        who, _, word = vote.rpartition("=")
        record.vote(said, word, voter=who or f"browser:{name}-{number}")
    return str(said)


def labels(selection: Selection) -> list[tuple[str, bool]]:
    return [(rated.answer, rated.is_good) for rated in selection.rated]


def preferred(selection: Selection) -> list[tuple[str, str]]:
    return [(pair.chosen, pair.rejected) for pair in selection.pairs]


def test_one_text_that_is_liked_here_and_disliked_there_teaches_nothing(record: Any) -> None:
    ask(record, "a", "30 days.", "up")
    ask(record, "b", "30 Days. ", "down", question="how long may I  return it?")
    selection = select(record)
    assert (learnt(selection), labels(selection), selection.left_out) == ([], [], {CROSSED: 2})


@pytest.mark.parametrize(
    ("ups", "downs", "is_learnt", "expected"),
    [(2, 1, True, [("30 days.", True)] * 2), (1, 2, False, [("30 days.", False)] * 2)],
)
def test_the_side_with_more_voices_stands(
    record: Any, ups: int, downs: int, is_learnt: bool, expected: list[tuple[str, bool]]
) -> None:
    for number in range(ups):
        ask(record, f"u{number}", "30 days.", "up")
    for number in range(downs):
        ask(record, f"d{number}", "30 days.", "down")
    selection = select(record)
    assert bool(learnt(selection)) is is_learnt
    assert labels(selection) == expected
    assert selection.left_out[CROSSED] == 1


def test_one_browser_has_one_voice_for_a_text_its_newest(record: Any) -> None:
    for number in range(5):
        ask(record, f"u{number}", "30 days.", "browser:eve=up")
    ask(record, "d", "30 days.", "browser:ada=down")
    assert learnt(select_rows(read_snapshot(record.write("one")), system_prompt=PROMPT)) == []
    ask(record, "later", "30 days.", "browser:ada=up")
    assert learnt(select_rows(read_snapshot(record.write("two")), system_prompt=PROMPT)) == ["30 days."] * 6


def test_an_api_key_speaks_for_many_people(record: Any) -> None:
    for number in range(2):
        ask(record, f"u{number}", "30 days.", "key:shop=up")
    ask(record, "d", "30 days.", "key:shop=down")
    assert learnt(select(record)) == ["30 days."] * 2


def test_the_same_words_to_another_question_are_no_contradiction(record: Any) -> None:
    ask(record, "a", "Yes.", "up", question="Do you ship to Iceland by air?")
    ask(record, "b", "Yes.", "down", question="May I return a cut bouquet?")
    assert labels(select(record)) == [("Yes.", True), ("Yes.", False)]


def test_what_an_import_says_is_not_cancelled_by_thumbs_that_disagree(record: Any) -> None:
    _, brought = record.talk("i", "How long may I return it?", "30 days.")
    record.vote(brought, "down", voter="browser:x")
    ask(record, "a", "30 days.", "up")
    selection = select(record)
    assert (learnt(selection), labels(selection)) == (["30 days."], [])


def test_a_like_beside_an_operators_correction_is_no_vote_to_learn_from(record: Any) -> None:
    wrong = ask(record, "a", "Never.")
    record.review(wrong, approved=True, corrected="30 days.")
    ask(record, "b", "14 days.", "up")
    selection = select(record)
    assert (learnt(selection), labels(selection)) == (["30 days."], [])


def test_a_like_does_not_stand_beside_what_more_people_wrote(record: Any) -> None:
    record.know("browser:a", "browser:b", "browser:c")
    for voter in "abc":
        said = ask(record, voter, "Never.")
        record.vote(said, "down", voter=f"browser:{voter}", ideal="30 days.")
    ask(record, "d", "14 days.", "up")
    ask(record, "e", "30 days", "up")
    selection = select_rows(read_snapshot(record.write()), system_prompt=PROMPT, agreeing_persons=3)
    assert learnt(selection) == ["30 days."] * 3 + ["30 days"]
    assert selection.left_out == {"liked, but more people wrote another answer": 1}


def regenerate(record: Any, name: str, *answers: str, keep: str = "", question: str = "Refund?") -> dict[str, str]:
    """One question answered anew until the last of `answers`; returns their ids by text. `keep` is gone on from."""
    (asked,) = record.talk(name, question, owner=f"browser:{name}")
    ids = {text: record.say(name, text, role="assistant", parent=asked) for text in answers}
    if keep:
        record.say(name, "Thank you, and shipping?", role="user", parent=ids[keep])
    return ids


def test_what_was_asked_for_anew_is_worse_than_what_was_kept_and_liked(record: Any) -> None:
    ids = regenerate(record, "c", "Never.", "Ask them.", "30 days.")
    record.vote(ids["30 days."], "up")
    assert preferred(select(record)) == [("30 days.", "Never."), ("30 days.", "Ask them.")]


def test_without_a_vote_a_regenerated_answer_is_no_better(record: Any) -> None:
    regenerate(record, "c", "Never.", "30 days.", keep="30 days.")
    assert select(record).pairs == ()


@pytest.mark.parametrize("case", ["newer", "gone on from", "cut off", "liked too"])
def test_what_was_not_discarded_is_not_the_worse_one(record: Any, case: str) -> None:
    ids = regenerate(record, "c", "Never.", "30 days.", keep="Never." if case == "gone on from" else "")
    record.vote(ids["Never." if case == "newer" else "30 days."], "up")
    if case == "cut off":
        record.rows["messages"][-2]["finish"] = "length"
    if case == "liked too":
        record.vote(ids["Never."], "up")
    assert select(record).pairs == ()


def test_two_people_who_kept_opposite_answers_cancel_and_are_counted(record: Any) -> None:
    for name, answers in (("a", ("Never.", "30 days.")), ("b", ("30 days.", "never."))):
        ids = regenerate(record, name, *answers)
        record.vote(ids[answers[1]], "up", voter=f"browser:{name}")
    selection = select(record)
    assert selection.pairs == ()
    assert selection.left_out == {"pairs that contradict each other": 2}


def test_an_edit_stands_against_whoever_kept_the_opposite(record: Any) -> None:
    place = Place("refund?", "")
    edit, thumb = Preference(place, "30 days.", "Never.", 3), Preference(place, "never.", "30 Days.", 1)
    assert settle([thumb, edit, thumb]) == ["pairs against a higher word", "", "pairs against a higher word"]
    assert settle([thumb, edit._replace(place=Place("shipping?", ""))]) == ["", ""]


def test_answers_that_say_the_same_are_no_pair(record: Any) -> None:
    ids = regenerate(record, "c", "30 DAYS.", "30 days.")
    record.vote(ids["30 days."], "up")
    selection = select(record)
    assert selection.pairs == ()
    assert selection.left_out == {"pairs of equal answers": 1}
