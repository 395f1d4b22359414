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


def origins(selection: Selection) -> list[str | None]:
    return [
        m.get("origin")
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


def test_a_strangers_suggestion_waits_for_an_operator(record: Any) -> None:
    _, answer, *_ = record.talk("c", "Refund?", "Never.", "Really?", "Really.", owner="browser:a")
    record.vote(answer, "down", voter="browser:a", ideal="Within 30 days.")
    selection = select(record)
    assert (selection.lessons, selection.pairs) == ((), ())
    assert [(rated.answer, rated.is_good) for rated in selection.rated] == [("Never.", False)]
    assert selection.left_out == {"suggestion waits for an operator": 1}


def test_one_like_does_not_carry_a_suggestion_past_ten_dislikes(record: Any) -> None:
    _, answer = record.talk("c", "Refund?", "Never.", owner="browser:a")
    for number in range(10):
        record.vote(answer, "down", voter=f"browser:{number}")
    record.vote(answer, "up", voter="browser:x", ideal="Call 0900-SCAM.")
    assert learnt(select(record)) == []


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
    record.review(good, approved=True)
    record.review(bad, approved=False)
    record.vote(bad, "up")
    selection = select(record)
    assert learnt(selection) == ["30 days."]
    assert selection.left_out == {"turned down by an operator": 1}
    assert selection.rated == ()


@pytest.mark.parametrize("is_first", [True, False])
def test_an_approval_is_final_whatever_is_voted_or_suggested(record: Any, is_first: bool) -> None:
    _, answer = record.talk("c", "Refund?", "30 days.", owner="browser:a")
    if is_first:
        record.vote(answer, "down", ideal="Call 0900-SCAM for a refund.")
    record.review(answer, approved=True, corrected="30 days.")
    if not is_first:
        record.vote(answer, "down", ideal="Call 0900-SCAM for a refund.")
        record.vote(answer, "down", voter="browser:b")
    selection = select(record)
    assert learnt(selection) == ["30 days."]
    assert (selection.pairs, selection.rated) == ((), ())
    assert origins(selection) == ["approval"]


def test_a_ruling_counts_wherever_the_same_was_asked_and_answered(record: Any) -> None:
    _, ruled = record.talk("a", "How long may I return it?", "Never.", owner="browser:a")
    record.talk("b", " how long may I  return it?", "never.", owner="browser:b")
    record.talk("c", "How long may I return it?", "Never.", held_out=True)
    _, liked = record.talk("d", "How long may I return it?", "Never.", owner="browser:d")
    record.vote(liked, "up")
    record.talk("e", "May I keep it?", "Never.")
    record.review(ruled, approved=True, corrected="Within 30 days.")
    selection = select(record)
    assert learnt(selection) == [*["Within 30 days."] * 4, "Never."]
    assert origins(selection) == [*["correction"] * 4, "import"]


def test_a_text_that_was_turned_down_is_learnt_from_no_other_chat(record: Any) -> None:
    _, refused = record.talk("a", "Refund?", "Call 0900-SCAM.", owner="browser:a")
    _, liked = record.talk("b", "Refund?", "Call 0900-scam.", owner="browser:b")
    record.talk("c", "Refund?", "Call 0900-SCAM.")
    record.vote(liked, "up")
    record.review(refused, approved=False)
    selection = select(record)
    assert learnt(selection) == []
    assert selection.left_out == {"turned down by an operator": 3}


@pytest.mark.parametrize("is_approved", [True, False])
def test_of_two_rulings_the_newer_one_counts(record: Any, is_approved: bool) -> None:
    answers = [record.talk(name, "Refund?", "30 days.", owner=f"browser:{name}")[1] for name in "ab"]
    for answer, approved in zip(answers, (not is_approved, is_approved), strict=True):
        record.review(answer, approved=approved)
    assert learnt(select(record)) == (["30 days.", "30 days."] if is_approved else [])


def test_a_correction_may_be_corrected_and_turned_down(record: Any) -> None:
    _, first = record.talk("a", "Refund?", "Never.", owner="browser:a")
    record.review(first, approved=True, corrected="14 days.")
    _, second = record.talk("b", "Refund?", "14 days.", owner="browser:b")
    record.review(second, approved=True, corrected="30 days.")
    assert learnt(select_rows(read_snapshot(record.write("one")), system_prompt=PROMPT)) == ["30 days.", "30 days."]
    _, third = record.talk("c", "Refund?", "30 days.", owner="browser:c")
    record.review(third, approved=False)
    assert learnt(select_rows(read_snapshot(record.write("two")), system_prompt=PROMPT)) == []


def test_a_correction_may_be_taken_back_by_its_opposite(record: Any) -> None:
    _, first = record.talk("a", "Refund?", "Never.", owner="browser:a")
    _, second = record.talk("b", "Refund?", "Always.", owner="browser:b")
    record.review(first, approved=True, corrected="Always.")
    record.review(second, approved=True, corrected="Never.")
    assert learnt(select(record)) == ["Never.", "Never."]


def test_likes_of_another_answer_do_not_stand_beside_a_correction(record: Any) -> None:
    _, wrong = record.talk("a", "Refund?", "Never.", owner="browser:a")
    record.review(wrong, approved=True, corrected="30 days.")
    for number in range(5):
        _, liked = record.talk(f"l{number}", "Refund?", "14 days.", owner=f"browser:{number}")
        record.vote(liked, "up", voter=f"browser:{number}")
    _, same = record.talk("s", "refund?", "30 Days.", owner="browser:s")
    record.vote(same, "up")
    record.talk("i", "Refund?", "A month.")
    selection = select(record)
    assert learnt(selection) == ["30 days.", "30 days.", "A month."]
    assert selection.left_out == {"liked, but an operator's correction says otherwise": 5}


def test_a_question_that_says_nothing_alone_is_the_same_only_in_its_place(record: Any) -> None:
    _, _, _, wrong = record.talk("a", "Refund?", "30 days.", "And then?", "Nothing.", owner="browser:a")
    record.review(wrong, approved=True, corrected="You get a label.")
    for name, before in (("b", "30 days."), ("c", "We ship daily.")):
        _, _, _, liked = record.talk(
            name, "Hello there, you?", before, "And then?", "It comes.", owner=f"browser:{name}"
        )
        record.vote(liked, "up")
    assert learnt(select(record)) == ["You get a label.", "It comes."]


def test_a_suggestion_that_says_what_the_answer_says_makes_no_target_of_it(record: Any) -> None:
    _, answer = record.talk("c", "Refund?", "Never.", owner="browser:a")
    record.vote(answer, "down", ideal="never. ")
    selection = select(record)
    assert selection.lessons == ()
    assert selection.left_out == {"voted down": 1}


def test_what_an_operator_approved_though_it_was_cut_off_is_not_learnt(record: Any) -> None:
    (question,) = record.talk("c", "Refund?", owner="browser:a")
    record.review(record.say("c", "Within", role="assistant", parent=question, finish="partial"), approved=True)
    selection = select(record)
    assert (selection.lessons, selection.left_out) == ((), {"approved, but cut off": 1})


def test_what_a_failing_engine_left_is_no_turn_of_a_row(record: Any) -> None:
    _, before = record.talk("c", "Hello.", "Hello!", owner="browser:a")
    lost = record.say("c", "Refund?", role="user", parent=before)
    failed = record.say("c", "", role="assistant", parent=lost, finish="error")
    asked = record.say("c", "Refund, please?", role="user", parent=failed)
    record.vote(record.say("c", "30 days.", role="assistant", parent=asked), "up")
    selection = select(record)
    (lesson,) = selection.lessons
    said = ["Hello.", "Hello!", "Refund, please?", "30 days."]
    assert [m["content"] for m in lesson.messages[1:]] == said
    assert [m["content"] for m in selection.rated[0].prompt[1:]] == said[:-1]


def test_a_callers_own_history_is_context_though_it_says_what_was_approved(record: Any) -> None:
    _, ruled = record.talk("a", "Refund?", "30 days.", owner="browser:a")
    record.review(ruled, approved=True)
    record.talk("b", owner="key:shop")
    question = record.say("b", "Refund?", role="user", parent=None, source="client")
    sent = record.say("b", "30 days.", role="assistant", parent=question, source="client", finish=None)
    asked = record.say("b", "Sure?", role="user", parent=sent, source="api")
    record.vote(record.say("b", "Yes.", role="assistant", parent=asked, source="api"), "up")
    assert learnt(select(record)) == ["30 days.", "Yes."]


class TestAgreement:
    """Where a bot's file lets so many persons in who wrote nearly the same."""

    def choose(self, record: Any, persons: int = 3) -> Selection:
        return select_rows(read_snapshot(record.write()), system_prompt=PROMPT, agreeing_persons=persons)

    def suggest(self, record: Any, voter: str, text: str, *, question: str = "Refund?", answer: str = "Never.") -> str:
        _, said = record.talk(f"of {voter} {question}", question, answer, owner=voter)
        record.vote(said, "down", voter=voter, ideal=text)
        return str(said)

    def test_enough_persons_let_their_words_in(self, record: Any) -> None:
        record.know("browser:a", "browser:b", "browser:c")
        for voter, text in (("a", "Within 30 days."), ("b", "“within 30 days”"), ("c", "Within 30 days!")):
            self.suggest(record, f"browser:{voter}", text)
        self.suggest(record, "browser:d", "Call 0900-SCAM.")
        selection = self.choose(record)
        assert learnt(selection) == ["Within 30 days!"] * 3
        assert origins(selection) == ["agreement"] * 3
        assert {vote.voter for vote in selection.lessons[0].lineage.votes} == {"browser:a", "browser:b", "browser:c"}

    def test_newcomers_count_as_one_however_many_they_are(self, record: Any) -> None:
        record.know("browser:a")
        for number in range(40):
            self.suggest(record, f"browser:new{number}", "Call 0900-SCAM.")
        assert learnt(self.choose(record, persons=2)) == []

    def test_a_second_person_lets_a_newcomers_words_in(self, record: Any) -> None:
        record.know("browser:a")
        self.suggest(record, "browser:a", "Within 30 days.")
        self.suggest(record, "browser:new", "within 30 days")
        assert learnt(self.choose(record, persons=2)) == ["within 30 days"] * 2

    def test_one_person_is_not_several(self, record: Any) -> None:
        record.know("browser:a", "browser:b")
        for question in ("Refund?", "Refund??", "refund?"):
            self.suggest(record, "browser:a", "Within 30 days.", question=question)
        self.suggest(record, "browser:b", "Within 30 days.")
        assert learnt(self.choose(record)) == []

    def test_an_operators_word_is_more_than_many_persons(self, record: Any) -> None:
        record.know("browser:a", "browser:b", "browser:c")
        answers = [self.suggest(record, f"browser:{voter}", "Within 30 days.") for voter in "abc"]
        record.review(answers[0], approved=True, corrected="Within 14 days.")
        assert learnt(self.choose(record)) == ["Within 14 days."] * 3


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


def test_an_operators_words_that_were_served_anew_are_context_and_nothing_else(record: Any) -> None:
    (asked,) = record.talk("c", "Refund?", owner="browser:a")
    served = record.say("c", "30 days.", role="assistant", parent=asked, source="verified")
    again = record.say("c", "Never!", role="assistant", parent=asked)
    later = record.say("c", "Sure?", role="user", parent=served)
    liked = record.say("c", "Yes.", role="assistant", parent=later)
    for message, vote in ((served, "up"), (again, "up"), (liked, "up")):
        record.vote(message, vote)
    selection = select(record)
    assert sorted(learnt(selection)) == ["Never!", "Yes."]
    assert [pair.rejected for pair in selection.pairs] == []
    assert sorted(rated.answer for rated in selection.rated) == ["Never!", "Yes."]
    assert all(m["weight"] == 0 for one in selection.lessons for m in one.messages if m["content"] == "30 days.")


def test_an_operators_ruling_on_a_served_answer_teaches_it_once(record: Any) -> None:
    (asked,) = record.talk("c", "Refund?", owner="browser:a")
    served = record.say("c", "30 days.", role="assistant", parent=asked, source="verified")
    (other,) = record.talk("d", "Refund?", owner="browser:b")
    record.say("d", "30 days.", role="assistant", parent=other, source="verified")
    record.review(served, approved=True)
    assert learnt(select(record)) == ["30 days."]


def test_a_disliked_verified_answer_is_no_worse_answer_to_learn_from(record: Any) -> None:
    (asked,) = record.talk("c", "Refund?", owner="browser:a")
    served = record.say("c", "30 days.", role="assistant", parent=asked, source="verified")
    record.vote(served, "down", ideal="20 days.")
    selection = select_rows(read_snapshot(record.write()), system_prompt=PROMPT, with_unanswered=True)
    assert (selection.lessons, selection.pairs, selection.rated, selection.unanswered) == ((), (), (), ())


def two_answers(record: Any, *, owner: str = "browser:a") -> tuple[str, str]:
    question, older = record.talk("c", "Refund?", "Never.", owner=owner)
    return older, record.say("c", "Within 30 days.", role="assistant", parent=question)


def compared(record: Any) -> list[tuple[str, str]]:
    return [(pair.chosen, pair.rejected) for pair in select(record).pairs]


def test_who_saw_both_answers_makes_a_pair_of_them_and_a_retry_alone_makes_none(record: Any) -> None:
    older, newer = two_answers(record)
    record.prefer(newer, older, voter="browser:a")
    selected = select(record)
    (pair,) = selected.pairs
    assert (pair.chosen, pair.rejected) == ("Within 30 days.", "Never.")
    assert pair.lineage.votes == ((newer, "browser:a"),)
    assert not pair.lineage.is_let_in
    # To be the better one of two is no reason to be imitated.
    assert learnt(selected) == []


def test_two_who_contradict_each_other_make_no_pair(record: Any) -> None:
    older, newer = two_answers(record)
    record.prefer(newer, older, voter="browser:a")
    record.prefer(older, newer, voter="browser:b")
    assert compared(record) == []


def test_a_comparison_stands_above_a_thumb(record: Any) -> None:
    older, newer = two_answers(record)
    record.vote(newer, "up", voter="browser:b")
    record.prefer(older, newer)
    assert compared(record) == [("Never.", "Within 30 days.")]


def test_a_comparison_stands_below_an_operator(record: Any) -> None:
    older, newer = two_answers(record)
    record.prefer(older, newer)
    record.review(newer, approved=True)
    assert compared(record) == [("Within 30 days.", "Never.")]


def test_what_was_voted_down_or_turned_down_is_no_better_answer(record: Any) -> None:
    older, newer = two_answers(record)
    record.prefer(older, newer)
    record.vote(older, "down", voter="browser:b")
    assert compared(record) == []


@pytest.mark.parametrize("asked", [False, True])
def test_a_thumb_on_one_of_two_that_were_to_be_compared_says_nothing_of_the_other(record: Any, *, asked: bool) -> None:
    older, newer = two_answers(record)
    record.vote(newer, "up", voter="browser:a")
    if asked:
        record.show_together(newer, older)
    assert compared(record) == ([] if asked else [("Within 30 days.", "Never.")])
