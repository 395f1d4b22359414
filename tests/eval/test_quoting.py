"""A passage is quoted in its own language, whoever asks."""

import pytest

from eval.quoting import quote
from nightschool.knowledge import TEAM, Passage
from nightschool.language import load_identifier

HAND_OVER = "I do not know that for certain, but our team does: please ask them."
AUF_DEUTSCH = "Das weiß ich nicht sicher, unser Team aber schon: Fragen Sie bitte dort nach."


@pytest.mark.parametrize(
    ("said", "beside", "quoted"),
    [
        ("Grove costs 4 euro a month and can be cancelled.", HAND_OVER, "From our page on {}: "),
        ("Grove kostet 4 Euro im Monat und ist jederzeit kündbar.", HAND_OVER, "Auf unserer Seite „{}“ steht: "),
        ("Grove coûte 4 euros par mois, sans engagement de durée.", HAND_OVER, "{}: "),
        ("グローブの料金は月額4ユーロで、いつでも解約できます。", HAND_OVER, "{}: "),
        ("Grove: 4 €", AUF_DEUTSCH, "Auf unserer Seite „{}“ steht: "),
        ("Grove: 4 €", HAND_OVER, "From our page on {}: "),
        ("4 €", "Frag uns!", "From our page on {}: "),
        ("", "", "From our page on {}: "),
    ],
)
@pytest.mark.parametrize("document", ["Plans", "{text}%s{0}"])
def test_a_page_is_named_in_the_words_of_what_is_quoted(document: str, said: str, beside: str, quoted: str) -> None:
    passage = Passage("a" * 16, document, "", said)
    shown = quote(passage, beside=beside, identify=load_identifier())
    assert shown == quoted.replace("{}", document) + said


def test_a_passage_is_quoted_on_one_line() -> None:
    passage = Passage("a" * 16, "Plans", "", "Grove costs\n\n4 euro  a month.\n")
    shown = quote(passage, beside=HAND_OVER, identify=load_identifier())
    assert shown == "From our page on Plans: Grove costs 4 euro a month."


@pytest.mark.parametrize(
    ("said", "quoted"),
    [
        ("Grove costs 4 euro a month and can be cancelled.", "Our team answered a like question: {}"),
        (
            "Grove kostet 4 Euro im Monat und ist jederzeit kündbar.",
            "Auf eine ähnliche Frage hat unser Team geantwortet: {}",
        ),
        ("Grove coûte 4 euros par mois, sans engagement de durée.", "“{}”"),
    ],
)
def test_an_answer_of_the_team_is_quoted_as_one(said: str, quoted: str) -> None:
    answer = Passage("a" * 16, TEAM, "Who asked what?", said, "c1")
    assert quote(answer, beside=HAND_OVER, identify=load_identifier()) == quoted.format(said)


@pytest.mark.parametrize(
    ("said", "quoted"),
    [
        (
            "I'm very sorry to hear it. A planter comes back within 30 days.\nTake your time! It costs e.g. 4 euro.",
            "A planter comes back within 30 days. It costs e.g. 4 euro.",
        ),
        ("Of course you may. Just write to us.", "Of course you may. Just write to us."),
        ("申し訳ございません。料金は4ユーロです。", "料金は4ユーロです。"),
    ],
)
def test_of_an_answer_to_another_person_its_facts_are_quoted(said: str, quoted: str) -> None:
    answer = Passage("a" * 16, TEAM, "Who asked what?", said, "c1")
    shown = quote(answer, beside=HAND_OVER, identify=load_identifier())
    assert shown.removesuffix("”").endswith((f": {quoted}", f"“{quoted}"))
    page = Passage("a" * 16, "Plans", "", said)
    assert " ".join(said.split()) in quote(page, beside=HAND_OVER, identify=load_identifier())
