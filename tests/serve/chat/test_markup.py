"""What is shown of a line of talk; that nothing of it is alive is `tests/serve/test_markup.py`'s."""

from dataclasses import replace

import gradio as gr
import pytest

from deploy.fates import Fate, State
from nightschool.knowledge import TEAM, Passage
from nightschool.records import Adapter, BotName, Finish, Stage, Vote, utc_now
from serve.chat.markup import draw_answer, draw_line, thumbs
from serve.chat.views import Line
from serve.words.catalogue import Words
from serve.words.english import ENGLISH
from serve.words.german import GERMAN

WORDS = ENGLISH.line
ADAPTER = Adapter(BotName("support"), 7, "a" * 64, "x", Stage.RETIRED, "night", "d" * 64, utc_now())


def answer(text: str, *, finish: Finish | None = Finish.STOP, vote: Vote = Vote.NONE) -> Line:
    return Line("id", "assistant", text, "support@3", finish, vote)


def test_a_question_is_shown_as_typed() -> None:
    drawn = str(draw_line(Line("id", "user", "  *a* `<b>` & #1\n\n<!-- "), WORDS)["content"])
    assert "*a* `&lt;b&gt;` &amp; #1&#10;&#10;&lt;!-- <" in drawn
    assert "\n" not in drawn


@pytest.mark.parametrize(
    ("finish", "label"),
    [
        (Finish.STOP, ">support@3<"),
        (Finish.PARTIAL, ">support@3 · stopped<"),
        (Finish.LENGTH, ">support@3 · cut at its longest<"),
        (Finish.ERROR, ">support@3 · failed<"),
        (None, ">support@3<"),
    ],
)
def test_an_answer_says_who_gave_it_and_how_it_ended(finish: Finish | None, label: str) -> None:
    assert label in draw_answer(answer("Yes.", finish=finish), WORDS)


def test_an_operators_own_words_are_said_to_be_checked() -> None:
    line = replace(answer("Yes."), version="support@verified")
    assert '<p class="ns-version">Checked by our team</p>' in draw_answer(line, WORDS)


@pytest.mark.parametrize("text", ["```\nx = 1", "a ``` b", "~~~\nx = 1", "- ```\n  x"])
def test_the_label_stays_out_of_code_that_was_cut_off(text: str) -> None:
    assert draw_answer(answer(text), WORDS).endswith('</div><p class="ns-version">support@3</p>')


@pytest.mark.parametrize(
    ("words", "state", "told"),
    [
        (ENGLISH, "learnt", "Your vote: </span>Learnt from this in version 7.</p>"),
        (ENGLISH, "held-out", "Your vote: </span>Kept as a test: new versions are judged by it, and none is trained"),
        (GERMAN, "learnt", "Ihre Bewertung: </span>Daraus hat Version 7 gelernt.</p>"),
    ],
)
def test_what_became_of_a_vote_is_told_quietly_to_eyes_and_ears(words: Words, state: State, told: str) -> None:
    voted = replace(answer("Yes.", vote=Vote.UP), fate=Fate(state, "for callers of the API", ADAPTER))
    assert f'<p class="ns-became"><span class="ns-unseen">{told}' in draw_answer(voted, words.line)
    assert "ns-became" not in draw_answer(answer("Yes.", vote=Vote.UP), words.line)
    recorded = replace(voted, siblings=(voted.message_id,))
    assert (f">{words.line.today}</button>" in draw_answer(recorded, words.line)) is (state == "learnt")


def test_sources_are_named_once_each_and_open_what_they_say() -> None:
    refunds = Passage("a", "Returns", "Money > Refund time", "Within 5 days.\n\nBy card.")
    sources = (
        Passage("b", "Returns", "", "30 days."),
        refunds,
        Passage("c", "Returns", "Money > Refund time", "More."),
    )
    drawn = draw_answer(replace(answer("Yes."), sources=sources), WORDS)
    assert '<details class="ns-sources"><summary>Sources: Returns, Refund time</summary>' in drawn
    assert "<strong>Returns &gt; Money &gt; Refund time</strong>" in drawn
    assert "Within 5 days.&#10;&#10;By card." in drawn
    assert "ns-sources" not in draw_answer(answer("Yes."), WORDS)


@pytest.mark.parametrize(
    ("words", "named"), [(ENGLISH, "An answer of our team"), (GERMAN, "Eine Antwort unseres Teams")]
)
def test_an_answer_of_the_team_is_a_source_without_what_another_person_asked(words: Words, named: str) -> None:
    said = tuple(Passage(letter, TEAM, "My plant died?", f"Within {letter} days.", "c") for letter in "ab")
    drawn = draw_answer(replace(answer("Yes."), sources=said), words.line)
    assert f": {named}</summary>" in drawn
    assert drawn.count(f"<strong>{named}</strong>") == 2
    assert ("Within b days." in drawn, "plant died" in drawn, TEAM in drawn) == (True, False, False)


def test_nothing_that_a_document_says_is_alive() -> None:
    hostile = Passage("a", "<img src=x>", "</summary><b>", "</div></details><script>alert(1)</script>\n\n# big\n<!--")
    drawn = str(draw_line(replace(answer("Yes."), sources=(hostile,)), WORDS)["content"])
    assert not any(alive in drawn for alive in ("<img", "<b>", "<script", "<!--", "\n"))
    assert drawn.count("</details>") == drawn.count("</summary>") == 1


def test_an_empty_answer_is_not_an_empty_bubble() -> None:
    assert "No answer" in draw_answer(answer("", finish=Finish.ERROR), WORDS)


def test_a_message_carries_its_id() -> None:
    assert draw_line(answer("Yes."), WORDS)["metadata"] == {"id": "id"}


def test_a_message_is_in_the_form_that_gradio_would_make_of_it() -> None:
    drawn = [draw_line(Line("id", "user", "a\tb\n c"), WORDS), draw_line(answer("```\nx\t= 1\n```"), WORDS)]
    assert gr.Chatbot(render=False).postprocess(drawn).model_dump() == drawn  # type: ignore[arg-type]


def test_arrows_lead_to_what_else_was_said_here() -> None:
    line = Line("b", "assistant", "Yes.", "support@3", siblings=("a", "b", "c"))
    drawn = draw_answer(line, WORDS)
    assert "2/3" in drawn
    assert "ns-to-a" in drawn
    assert "ns-to-c" in drawn
    assert "ns-arrow ns-to-b" not in drawn
    assert "ns-arrow" not in draw_answer(Line("b", "assistant", "Yes.", siblings=("b",)), WORDS)


def test_an_arrow_at_the_end_leads_nowhere() -> None:
    drawn = draw_answer(Line("b", "assistant", "Yes.", siblings=("a", "b")), WORDS)
    assert drawn.count("ns-arrow ns-to-") == 1
    assert drawn.count("disabled") == 1


def test_thumbs_follow_the_answers() -> None:
    lines = (Line("q", "user", "?"), answer("a", vote=Vote.UP), Line("r", "user", "?"), answer("b", vote=Vote.DOWN))
    assert thumbs((*lines, answer("c"))) == ["Like", "Dislike", None]
