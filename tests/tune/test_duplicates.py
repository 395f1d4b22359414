from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tune.duplicates import Spoken, group_duplicates

LONG = "Our planters hold water for three weeks when the reservoir is full and the plant is of a usual size"


def spoken(*questions: str, answer: str = "") -> Spoken:
    return Spoken(questions, "\n".join([*questions, answer]))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("How do I return a planter?", "how can I return a planter"),
        ("cancel purchase 00004587345 please", "Cancel purchase 732201349959, please!"),
        ("Where is my order right now?", "Where is my order right now?"),
    ],
)
def test_the_same_question_in_other_words_is_a_near_duplicate(one: str, other: str) -> None:
    assert group_duplicates({"a": spoken(one), "b": spoken(other)}) == {"a": "a", "b": "a"}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("How do I return a planter?", "What do the Grove and Canopy plans cost?"),
        ("How do I return a planter?", "How do I reset my password?"),
    ],
)
def test_other_questions_are_not(one: str, other: str) -> None:
    assert group_duplicates({"a": spoken(one), "b": spoken(other)}) == {"a": "a", "b": "b"}


def test_a_greeting_does_not_tie_conversations_together() -> None:
    groups = group_duplicates({"a": spoken("hi", answer=LONG), "b": spoken("hi", answer="Hello, I am Fern, ask me.")})
    assert groups == {"a": "a", "b": "b"}


def test_equal_answers_tie_conversations_whose_questions_differ() -> None:
    groups = group_duplicates({"a": spoken("Water?", answer=LONG), "b": spoken("How long?", answer=LONG)})
    assert groups == {"a": "a", "b": "a"}


def test_a_later_question_counts_as_well() -> None:
    late = spoken("My name is Gerda and I am new here", "How do I return a planter?", answer=LONG)
    assert group_duplicates({"a": spoken("How do I return a planter?"), "b": late})["b"] == "a"


def test_groups_are_chains_and_named_after_their_oldest_member() -> None:
    talks = {
        "x": spoken("what does the grove plan cost a month in the summer"),
        "a": spoken("one two three four five six seven eight"),
        "b": spoken("three four five six seven eight nine ten"),
        "c": spoken("five six seven eight nine ten eleven twelve"),
    }
    assert group_duplicates(talks) == {"x": "x", "a": "a", "b": "a", "c": "a"}


@given(st.lists(st.text("ab cd", max_size=30), max_size=12))
def test_groups_do_not_depend_on_the_run(questions: list[str]) -> None:
    talks = {str(number): spoken(question) for number, question in enumerate(questions)}
    groups = group_duplicates(talks)
    assert groups == group_duplicates(talks)
    assert all(groups[leader] == leader for leader in groups.values())


PLANTS = "amber birch cedar dune elm fern grove heath iris jade kelp lotus moss nettle oak pine quince reed sage thyme"


def own(number: int) -> str:
    words = PLANTS.split()
    return " ".join(words[(number * step + step * step + number // 7) % 20] for step in range(2, 9)) + f" {number}"


def largest(talks: dict[str, Spoken]) -> int:
    return max(Counter(group_duplicates(talks).values()).values())


@pytest.mark.parametrize("shared", ["No, that's all, thank you.", "How do I return a planter?"])
def test_a_message_that_everybody_sends_ties_nobody_together(shared: str) -> None:
    talks = {f"c{n}": spoken(shared, own(n), answer=own(n + 1000)) for n in range(300)}
    assert largest(talks) <= 300 * 0.02


def test_what_everybody_says_in_words_of_their_own_ties_nobody_together() -> None:
    ends = [f"{no}, {all_}, {thanks}" for no in ("no", "nope", "okay no", "well no", "no no", "sorry no", "oh no")
            for all_ in ("that is all", "that's all for now", "that is all I need", "this is all for today")
            for thanks in ("thank you", "thank you so much", "thanks a lot")]  # fmt: skip
    talks = {f"c{n}": spoken(own(n), ends[n % len(ends)], answer=own(n + 1000)) for n in range(300)}
    without = {f"c{n}": spoken(own(n), answer=own(n + 1000)) for n in range(300)}
    assert len(set(group_duplicates(talks).values())) >= len(set(group_duplicates(without).values()))


def test_two_later_questions_tie_nothing_since_they_hang_on_what_was_said_before() -> None:
    later = "And what does that cost me in all?"
    talks = {f"c{n}": spoken(own(n * 5), later, answer=own(n + 1000)) for n in range(4)}
    assert largest(talks) == 1


def test_texts_that_are_half_alike_do_not_chain_all_together() -> None:
    form = "Please {} and tell us the number of your order so that we can look after {} for you as soon as we may."
    words = PLANTS.split()
    things = [f"{a} {b} {c} {d}" for a in words for b in words[:5] for c in words[5:8] for d in words[8:9]]
    talks = {f"c{n}": spoken("Hi", answer=form.format(own(n), thing)) for n, thing in enumerate(things)}
    assert largest(talks) <= 300 * 0.02


def test_one_conversation_that_asks_everything_ties_no_more_than_its_own_group() -> None:
    talks = {f"c{n}": spoken(f"what about {own(n)}", answer=own(n + 1000)) for n in range(200)}
    before = largest(talks)
    talks["all"] = spoken(*[f"what about {own(n)}" for n in range(60)], answer="Yes.")
    assert largest(talks) <= max(before, 5)


def test_what_really_repeats_is_one_group_however_large() -> None:
    talks = {f"c{n}": spoken("How do I return a planter?", answer=LONG) for n in range(100)}
    assert largest(talks | {"other": spoken(own(1), answer=own(2))}) == 100


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("我的花盆不亮了怎么办", "我的花盆不亮了该怎么办"),
        ("返品するにはどうすればいいですか", "返品はどうすればいいですか"),
        ("ฉันจะคืนกระถางต้นไม้ได้อย่างไร", "ฉันจะคืนกระถางต้นไม้ได้อย่างไรครับ"),
    ],
)
def test_scripts_without_blanks_have_near_duplicates_as_well(one: str, other: str) -> None:
    talks = {"a": spoken(one, answer=own(1)), "b": spoken(other, answer=own(2))}
    assert group_duplicates(talks) == {"a": "a", "b": "a"}
    assert group_duplicates(talks | {"b": spoken("格罗夫套餐每个月多少钱呢", answer=own(2))})["b"] == "b"
