from typing import Any

import pytest

from tune.select import Selection, select_rows
from tune.snapshot import read_snapshot

PROMPT = "Be kind."


def select(record: Any) -> Selection:
    return select_rows(read_snapshot(record.write()), system_prompt=PROMPT)


def learnt(selection: Selection) -> list[str]:
    return [
        m["content"]
        for lesson in selection.lessons
        for m in lesson.messages
        if m["role"] == "assistant" and m.get("weight", 1)
    ]


def test_an_imported_conversation_is_one_row_under_the_bots_own_prompt(record: Any) -> None:
    record.talk("c", "Refund?", "30 days.", "Sure?", "Yes.")
    (lesson,) = select(record).lessons
    assert [m["content"] for m in lesson.messages] == [PROMPT, "Refund?", "30 days.", "Sure?", "Yes."]
    assert learnt(Selection((lesson,), (), (), {})) == ["30 days.", "Yes."]


def test_an_imported_answer_of_weight_0_is_context_only(record: Any) -> None:
    (question,) = record.talk("c", "Hi?")
    muted = record.say("c", "Go away.", role="assistant", parent=question, source="import", weight=0)
    asked = record.say("c", "Refund?", role="user", parent=muted, source="import")
    record.say("c", "30 days.", role="assistant", parent=asked, source="import")
    selection = select(record)
    assert learnt(selection) == ["30 days."]
    assert selection.lessons[0].messages[2] == {"role": "assistant", "content": "Go away.", "weight": 0}


def test_an_answer_without_a_vote_is_not_learnt(record: Any) -> None:
    record.talk("c", "Refund?", "30 days.", owner="browser:a")
    assert select(record).lessons == ()


@pytest.mark.parametrize(
    ("votes", "is_learnt", "label"),
    [
        (["up"], True, True),
        (["down"], False, False),
        (["up", "down"], False, None),
        (["up", "up", "down"], True, True),
        (["up", "down", "down"], False, False),
        (["none"], False, None),
    ],
)
def test_more_people_must_like_an_answer_than_not(
    record: Any, votes: list[str], is_learnt: bool, label: bool | None
) -> None:
    _, answer = record.talk("c", "Refund?", "30 days.", owner="browser:a")
    for number, vote in enumerate(votes):
        record.vote(answer, vote, voter=f"browser:{number}")
    selection = select(record)
    assert learnt(selection) == (["30 days."] if is_learnt else [])
    assert [rated.is_good for rated in selection.rated] == ([] if label is None else [label])


def test_what_a_voter_suggests_is_learnt_in_the_answers_place_and_preferred_to_it(record: Any) -> None:
    _, answer, *_ = record.talk("c", "Refund?", "Never.", "Really?", "Really.", owner="browser:a")
    record.vote(answer, "down", voter="browser:a", ideal="Within 30 days.")
    selection = select(record)
    assert learnt(selection) == ["Within 30 days."]
    assert selection.lessons[0].messages[-1]["content"] == "Within 30 days."
    (pair,) = selection.pairs
    assert (pair.chosen, pair.rejected) == ("Within 30 days.", "Never.")


def test_of_several_suggestions_the_latest_counts(record: Any) -> None:
    _, answer = record.talk("c", "Refund?", "Never.", owner="browser:a")
    record.vote(answer, "down", voter="browser:z", ideal="Perhaps.")
    record.vote(answer, "down", voter="browser:a", ideal="Within 30 days.")
    assert learnt(select(record)) == ["Within 30 days."]


def test_a_suggestion_that_was_taken_back_counts_for_nothing(record: Any) -> None:
    _, answer = record.talk("c", "Refund?", "Never.", owner="browser:a")
    record.vote(answer, "none", ideal="Within 30 days.")
    selection = select(record)
    assert (selection.lessons, selection.pairs, selection.rated) == ((), (), ())


def test_the_operators_correction_beats_what_voters_wrote(record: Any) -> None:
    _, answer = record.talk("c", "Refund?", "Never.", owner="browser:a")
    record.vote(answer, "down", ideal="Always.")
    record.review(answer, approved=False, corrected="Within 30 days.")
    assert learnt(select(record)) == ["Within 30 days."]


def test_an_operator_lets_in_and_keeps_out(record: Any) -> None:
    _, good = record.talk("a", "Refund?", "30 days.", owner="browser:a")
    _, bad = record.talk("b", "Shipping?", "Free beer.", owner="browser:b")
    _, disliked = record.talk("c", "Billing?", "Pay.", owner="browser:c")
    record.review(good, approved=True)
    record.review(bad, approved=False)
    record.vote(bad, "up")
    record.review(disliked, approved=True)
    record.vote(disliked, "down")
    selection = select(record)
    assert learnt(selection) == ["30 days."]
    assert selection.left_out == {"turned down by an operator": 1, "voted down": 1}


def test_an_answer_cut_off_in_mid_sentence_is_not_learnt_though_liked(record: Any) -> None:
    (question,) = record.talk("c", "Refund?", owner="browser:a")
    record.vote(record.say("c", "Within", role="assistant", parent=question, finish="length"), "up")
    assert select(record).lessons == ()


def test_a_liked_answer_is_preferred_to_its_disliked_sibling(record: Any) -> None:
    question, worse = record.talk("c", "Refund?", "Never.", owner="browser:a")
    better = record.say("c", "Within 30 days.", role="assistant", parent=question)
    record.say("c", "Nobody voted on this.", role="assistant", parent=question)
    record.vote(worse, "down")
    record.vote(better, "up")
    (pair,) = select(record).pairs
    assert (pair.chosen, pair.rejected) == ("Within 30 days.", "Never.")
    assert [m["content"] for m in pair.prompt] == [PROMPT, "Refund?"]
    assert set(pair.lineage.votes) == {(worse, "browser:v"), (better, "browser:v")}


def test_a_turn_shared_by_two_branches_is_learnt_once(record: Any) -> None:
    _, shared = record.talk("c", "Hi?", "Hello.", owner="browser:a")
    record.vote(shared, "up")
    for text in ("A", "B"):
        asked = record.say("c", f"{text}?", role="user", parent=shared)
        record.vote(record.say("c", f"{text}!", role="assistant", parent=asked), "up")
    assert sorted(learnt(select(record))) == ["A!", "B!", "Hello."]


def test_a_callers_system_message_stands_behind_the_bots_prompt_as_when_served(record: Any) -> None:
    record.talk("c", owner="key:shop")
    system = record.say("c", "The customer is Ann.", role="system", parent=None, source="client")
    question = record.say("c", "Refund?", role="user", parent=system, source="api")
    record.vote(record.say("c", "Yes, Ann.", role="assistant", parent=question, source="api"), "up")
    (lesson,) = select(record).lessons
    assert lesson.messages[0]["content"] == "Be kind.\n\nThe customer is Ann."
    assert [m["role"] for m in lesson.messages] == ["system", "user", "assistant"]


def test_a_chat_whose_roles_do_not_alternate_is_left_out_and_counted(record: Any) -> None:
    (first,) = record.talk("c", "Hello?")
    second = record.say("c", "Anyone?", role="user", parent=first, source="import")
    record.say("c", "Yes.", role="assistant", parent=second, source="import")
    selection = select(record)
    assert selection.lessons == ()
    assert selection.left_out == {"roles do not alternate": 1}
