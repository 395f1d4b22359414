"""What the guard lets through, what it holds back, and what is said instead."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Literal

import pytest

from eval.guard import LONGEST_CHARS, Guard, Second
from eval.sentences import end_of_sentence
from nightschool.engine import Delta
from nightschool.knowledge import TEAM, Found, Passage
from nightschool.knowledge_part import KnowledgePart
from nightschool.records import Finish
from nightschool.tools import CallPiece

PLANS = Passage("a" * 16, "Plans", "", "Grove costs 4 euro a month.")
HAND_OVER = "A person knows."


class Answering:
    """An engine's stream of these pieces; `is_closed` once nobody wants more."""

    def __init__(self, pieces: Sequence[str], finish: Finish = Finish.STOP) -> None:
        self.pieces = pieces
        self.finish = finish
        self.said = 0
        self.is_closed = False

    async def stream(self) -> AsyncGenerator[Delta, None]:
        try:
            for piece in self.pieces:
                self.said += 1
                yield Delta(piece)
            yield Delta("", self.finish, 7, len(self.pieces))
        finally:
            self.is_closed = True


def guard(
    *,
    second: str = "",
    mode: Literal["mark", "hold"] = "hold",
    passages: Sequence[Passage] = (PLANS,),
    score: float = 0,
    glossary: Sequence[str] = (),
) -> Guard:
    async def retry(passage: Passage) -> Second:
        assert passage is PLANS
        return Second(second, 5, 3)

    grounds = ["You are Fern.", "What does Grove cost?", *(passage.text for passage in passages)]
    rules = KnowledgePart(guard=mode, hand_over=HAND_OVER, glossary=tuple(glossary))
    return Guard(rules, grounds, Found(tuple(passages), (score,) * len(passages)), retry)


async def said(guard: Guard, answering: Answering) -> list[Delta]:
    async with aclosing(answering.stream()) as deltas:
        return [delta async for delta in guard.watch(deltas)]


def text(deltas: Sequence[Delta]) -> str:
    return "".join(delta.text for delta in deltas)


async def test_an_answer_without_facts_passes_word_by_word_as_it_comes() -> None:
    answering = Answering(["Hel", "lo", " there,", " how", " can I help?"])
    async with aclosing(answering.stream()) as deltas:
        seen = []
        async for delta in guard().watch(deltas):
            seen.append((delta.text, answering.said))
    # Each word is handed out with the piece that shows that it is whole.
    assert seen[:3] == [("Hello ", 3), ("there, ", 4), ("how can I ", 5)]
    assert "".join(piece for piece, _ in seen) == "Hello there, how can I help?"


async def test_a_sentence_with_a_fact_waits_for_its_end_and_passes_where_the_fact_stands() -> None:
    answering = Answering(["It", " costs", " 4", " euros", " a month.", " Bye", " now."])
    deltas = await said(guard(), answering)
    assert [delta.text for delta in deltas if delta.text] == ["It ", "costs 4 euros a month. ", "Bye ", "now."]
    assert (deltas[-1].finish, deltas[-1].prompt_tokens, deltas[-1].completion_tokens) == (Finish.STOP, 7, 7)


async def test_what_is_invented_is_replaced_by_a_second_try_that_stands() -> None:
    watching, answering = (
        guard(second="Grove costs 4 euro a month."),
        Answering(["It", " is ", "really", " 9", " euros.", " And more."]),
    )
    deltas = await said(watching, answering)
    assert text(deltas) == "It is …\n\nGrove costs 4 euro a month."
    assert (deltas[-1].finish, deltas[-1].prompt_tokens, deltas[-1].completion_tokens) == (Finish.STOP, 5, 3)
    [held] = watching.held
    assert (held.said, held.facts, held.then) == ("really 9 euros.", ("figure 9 euro",), "second try")
    assert answering.is_closed
    assert answering.said == 6


@pytest.mark.parametrize("second", ["", "It is 8 euros."])
async def test_else_the_passage_is_quoted_with_its_source(second: str) -> None:
    watching = guard(second=second)
    assert text(await said(watching, Answering(["9 euros."]))) == "From our page on Plans: Grove costs 4 euro a month."
    assert watching.held[0].then == "passage"


async def test_without_a_passage_a_person_is_named() -> None:
    watching = guard(passages=())
    assert text(await said(watching, Answering(["Sure! ", "9 euros. "]))) == f"Sure! {HAND_OVER}"
    assert watching.held[0].then == "hand-over"


async def test_marking_says_all_and_notes_what_stands_nowhere() -> None:
    watching = guard(mode="mark")
    assert text(await said(watching, Answering(["9 euros. ", "4 euros. "]))) == "9 euros. 4 euros. "
    assert [(held.said, held.then) for held in watching.held] == [("9 euros.", "marked")]


@pytest.mark.parametrize(
    "invented",
    [
        "dreißig Tage",
        "sieben Tage",
        "trente jours",
        "quinze jours",
        "treinta días",
        "veinte euros",
        "ninety days",
        "noon",
    ],
)
async def test_figures_in_words_wait_too(invented: str) -> None:
    watching = guard()
    assert invented not in text(await said(watching, Answering([*invented.partition(" "), ". "])))
    assert len(watching.held) == 1


async def test_a_question_s_own_figures_may_be_repeated() -> None:
    async def retry(_: Passage) -> Second:
        raise AssertionError("nothing to try again")

    watching = Guard(KnowledgePart(), ["I paid 12 euros on 3 May"], Found((PLANS,), (0.0,)), retry)
    answer = "You paid EUR 12 on May 3rd."
    assert text(await said(watching, Answering([answer]))) == answer


@pytest.mark.parametrize("finish", [Finish.STOP, Finish.LENGTH])
async def test_an_answer_that_ends_in_mid_sentence_is_checked_all_the_same(finish: Finish) -> None:
    assert "9" not in text(await said(guard(), Answering(["It is ", "9 eu", "ros"], finish)))
    deltas = await said(guard(), Answering(["It is ", "4 eu", "ros"], finish))
    assert (text(deltas), deltas[-1].finish) == ("It is 4 euros", finish)


async def test_nobody_waits_for_ever_for_a_full_stop() -> None:
    answering = Answering(["4 euros "] + ["and on "] * 200)
    async with aclosing(answering.stream()) as deltas:
        async for _ in guard().watch(deltas):
            break
    assert answering.said * len("and on ") < LONGEST_CHARS + 50


async def test_words_without_blanks_are_handed_out_at_once_and_checked_alike() -> None:
    deltas = await said(guard(), Answering(["こんに", "ちは。", "月額9ユーロ", "です。"]))
    assert text(deltas).startswith("こんにちは。")
    assert "9ユーロ" not in text(deltas)


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("It costs 4.50 euro. Next", "It costs 4.50 euro. "),
        ("See lumafern.example for more", None),
        ("Dr. Frost knows. Ask", "Dr. Frost knows. "),
        ("e.g. this one", None),
        ("1. Open the app\nThen", "1. Open the app\n"),
        ("Really?! Yes", "Really?! "),
        ("Say “no.” Then", "Say “no.” "),
        ("はい。次", "はい。"),
        ("Wait", None),
        ("Done.", None),
    ],
)
def test_where_a_sentence_ends(text: str, first: str | None) -> None:
    end = end_of_sentence(text)
    assert (None if end is None else text[:end]) == first


@pytest.mark.parametrize(
    ("said", "is_near", "is_quoted"),
    [
        (["It is on our page."], True, True),
        (["It is 4 euros a month."], True, False),
        (["It is on our page."], False, False),
    ],
)
async def test_a_near_passage_of_which_nothing_was_said_is_quoted_below(
    *, said: list[str], is_near: bool, is_quoted: bool
) -> None:
    watching = guard(score=0.5 if is_near else 0.4)
    answering = Answering(said)
    async with aclosing(answering.stream()) as deltas:
        told = "".join([delta.text async for delta in watching.watch(deltas)])
    assert told.startswith(said[0])
    assert told.endswith("From our page on Plans: Grove costs 4 euro a month.") is is_quoted


async def test_a_name_of_the_glossary_is_checked_also_where_its_sentence_comes_at_once() -> None:
    watching = guard(passages=(), glossary=("Canopy",))
    assert text(await said(watching, Answering(["Take Canopy then. "]))) == HAND_OVER


@pytest.mark.parametrize(
    ("answer", "second", "shown", "is_refusal"),
    [
        ('{"price": "4 euro"}', "", '{"price": "4 euro"}', False),
        ('{"price": "9 euro"}', '{"price": "4 euro"}', '{"price": "4 euro"}', False),
        ('{"price": "9 euro"}', '{"price": "8 euro"}', HAND_OVER, True),
        ('{"trial_days": 30}', "", HAND_OVER, True),
        ('{"price": "9 eu', "", HAND_OVER, True),
    ],
)
async def test_an_answer_for_a_program_is_passed_on_whole_or_refused(
    answer: str, second: str, shown: str, is_refusal: bool
) -> None:
    checking = guard(second=second)
    checking.is_form = True
    deltas = await said(checking, Answering([answer[:5], answer[5:]]))
    assert (text(deltas), deltas[0].is_refusal, deltas[-1].finish) == (shown, is_refusal, Finish.STOP)


async def test_a_marked_answer_for_a_program_stays_as_it_is() -> None:
    checking = guard(mode="mark")
    checking.is_form = True
    assert text(await said(checking, Answering(['{"price": "9 euro"}']))) == '{"price": "9 euro"}'
    assert [held.then for held in checking.held] == ["marked"]


@pytest.mark.parametrize(("words", "calls"), [
    ("It costs 4 euros.", 1),
    # What stands nowhere is replaced, and the answer ends there: a call beside it is not made.
    ("It costs 9 euros.", 0),
    ("", 1),
])  # fmt: skip
async def test_a_call_comes_behind_words_that_stand_and_is_not_checked_itself(words: str, calls: int) -> None:
    async def stream() -> AsyncGenerator[Delta, None]:
        yield Delta("", calls=(CallPiece(0, '{"euros": 9}', "c0", "pay"),))
        yield Delta(words)
        yield Delta("", Finish.TOOL_CALLS, 7, 3)

    deltas = [delta async for delta in guard().watch(stream())]
    assert sum(len(delta.calls) for delta in deltas) == calls
    assert deltas[-1].finish is (Finish.TOOL_CALLS if calls else Finish.STOP)


async def test_the_nearest_answer_of_the_team_is_quoted_where_none_of_its_facts_is_stated() -> None:
    like = replace(PLANS, document=TEAM, heading="Is Grove 5 euro?", conversation_id="c")
    watched = guard(passages=(like, PLANS), score=0.9)
    shown = text(await said(watched, Answering(["Grove is our smallest plan."])))
    quoted = "Our team answered a like question: Grove costs 4 euro a month."
    assert shown == f"Grove is our smallest plan.\n\n{quoted}"
    assert text(await said(watched, Answering(["It costs 4 euro."]))) == "It costs 4 euro."


GREETING = Passage("b" * 16, "Plans", "", "Every plan is a good plan.")
YEARLY = Passage("c" * 16, "Prices", "", "Grove costs 4 euro a month or 40 euro a year, for up to 5 planters.")
TRIAL = Passage("d" * 16, "Trial", "", "Every plan is free for 14 days.")
QUOTED_YEARLY = f"\n\nFrom our page on Prices: {YEARLY.text}"
QUOTED_TRIAL = f"\n\nFrom our page on Trial: {TRIAL.text}"


@pytest.mark.parametrize(
    ("answer", "quotes", "below"),
    [
        # One of three facts, and two of them.
        ("It costs 4 euro.", 1, QUOTED_YEARLY),
        ("It costs 4 euro a month or 40 a year, that is 40 euro.", 1, ""),
        ("It depends.", 0, ""),
        ("It depends.", 1, QUOTED_YEARLY),
        ("It depends.", 2, QUOTED_YEARLY + QUOTED_TRIAL),
        ("It is free for 14 days.", 2, QUOTED_YEARLY),
    ],
)
async def test_the_nearest_passages_that_state_facts_are_quoted_where_half_of_them_is_left_out(
    answer: str, quotes: int, below: str
) -> None:
    watched = guard(passages=(GREETING, YEARLY, TRIAL, PLANS), score=0.9)
    watched.rules = watched.rules.model_copy(update={"quotes": quotes})
    assert text(await said(watched, Answering([answer]))) == answer + below


async def test_what_was_quoted_already_is_not_quoted_again_in_other_words() -> None:
    watched = guard(passages=(YEARLY, PLANS), score=0.9)
    watched.rules = watched.rules.model_copy(update={"quotes": 2})
    assert text(await said(watched, Answering(["It depends."]))) == f"It depends.{QUOTED_YEARLY}"
