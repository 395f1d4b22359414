"""Figures against the reference's: equal ones in any notation agree, different ones do not."""

from decimal import Decimal

import pytest

from eval.vetoes.figures import are_wrong, find_values, gives_figures
from eval.vetoes.numerals import read_number_words
from tests.eval.vetoes.conftest import SceneMaker

REFERENCE = "You can send it back within 30 days; the refund is 9 euro and takes 5 business days."

EQUAL = [
    ("It costs 1.000,50 euro.", "It costs 1,000.50 euro."),
    ("It costs 1 000,50 euro.", "It costs 1000.5 euro."),
    ("It costs 1'250 francs.", "It costs 1,250 francs."),
    ("It costs 2,50 €.", "It costs €2.50."),
    ("It costs EUR 12.", "It costs twelve euros."),
    ("It costs 12,- €.", "It costs 12 euro."),
    ("It costs US$15.", "It costs 15 dollars."),
    ("It costs 1,00,000 rupees.", "It costs ₹100000."),
    ("It costs 12k dollars.", "It costs $12,000."),
    ("You save 15%.", "You save 15 percent."),
    ("You save 15 % of it.", "You save fifteen per cent of it."),
    ("We open at 2 pm.", "We open at 14:00."),
    ("We open at 2:30 p.m.", "Wir öffnen um 14.30 Uhr."),
    ("Nous ouvrons à 14h30.", "We open at 2:30 PM."),
    ("We open at 9.", "We open at 9 am."),
    ("We open from 9 to 5 pm.", "We open from 09:00 to 17:00."),
    ("We close at midnight.", "We close at 00:00."),
    ("It leaves at 10:45.", "It leaves at 22:45."),
    ("It comes on 12/11/2026.", "It comes on 11 Dec 2026."),
    ("It comes on 12/11/2026.", "It comes on 12 November 2026."),
    ("It comes on 2026-12-11.", "It comes on December 11th, 2026."),
    ("It comes on 11.12.2026.", "Es kommt am 11. Dezember."),
    ("It comes on the 11th.", "It comes on 2026-12-11."),
    ("It comes between March 5 and March 8.", "It comes March 5-8."),
    ("它在2026年12月11日到。", "It comes on 2026-12-11."),
    ("It takes two days.", "It takes 2 days."),
    ("It takes one day.", "It takes 24 hours."),
    ("It takes 14 days.", "It takes two weeks."),
    ("It takes 90 min.", "It takes 1.5 hours."),
    ("It takes 3-5 days.", "It takes three to five days."),
    ("It takes 3–5 working days.", "It takes 3 or 5 days."),
    ("It weighs 1,5 kg.", "It weighs 1500 grams."),
    ("There are twenty-five seats.", "There are 25 seats."),
    ("There are one hundred and twenty seats.", "There are 120 seats."),
    ("Es gibt zwölf Plätze.", "There are 12 Plätze."),
    ("Your case is LF 318204.", "Your case is LF-318204."),
    ("Your case is LF318204.", "Your case is LF-318204."),
    ("Take the WH1000XM4 or the A1278.", "Take one."),
    ("Your bill is #00108.", "Your bill is 108."),
    ("Call +49 800 555 0142.", "Call 0800 555-0142."),
    ("Use version 3.5.1.", "Use version 3.5.1 now."),
]
DIFFERENT = [
    ("It costs 1.000,50 euro.", "It costs 1,000.60 euro."),
    ("It costs 1.500 euro.", "It costs 1,050 euro."),
    ("It costs €12.", "It costs twenty euros."),
    ("It costs 12k dollars.", "It costs $1,200."),
    ("You save 15%.", "You save fifty percent."),
    ("We open at 2 pm.", "We open at 13:00."),
    ("We open at 2 am.", "We open at 14:00."),
    ("It comes on 12/11/2026.", "It comes on 10 Dec 2026."),
    ("It comes on 12/11/2026.", "It comes on 11 Dec 2027."),
    ("It comes on December 12th.", "It comes on 2026-12-11."),
    ("It takes three days.", "It takes 2 days."),
    ("It takes 3-6 days.", "It takes three to five days."),
    ("It takes one day.", "It takes 4 days."),
    ("It weighs 2 kg.", "It weighs 1.5 kilos."),
    ("There are twenty-six seats.", "There are 25 seats."),
    ("Your case is LF-318205.", "Your case is LF-318204."),
    ("Call 0800 555 0143.", "Call 0800 555-0142."),
    ("Use version 3.5.2.", "Use version 3.5.1."),
]


@pytest.mark.parametrize(("answer", "reference"), EQUAL)
def test_equal_figures_in_another_notation_agree(scene: SceneMaker, answer: str, reference: str) -> None:
    assert not are_wrong(answer, scene(reference), house=frozenset())
    assert not are_wrong(reference, scene(answer), house=frozenset())


@pytest.mark.parametrize(("answer", "reference"), DIFFERENT)
def test_different_figures_do_not(scene: SceneMaker, answer: str, reference: str) -> None:
    assert are_wrong(answer, scene(reference), house=frozenset())


@pytest.mark.parametrize(
    "answer",
    [
        "You can send it back within 14 days.",
        "The refund takes 30 days and costs 12 euro.",
        "You have until 2031 for it.",
        "Your case is LF-771925.",
        "Your case is LF771925.",
        "It costs €7.",
    ],
)
def test_a_figure_against_the_reference_is_refused(scene: SceneMaker, answer: str) -> None:
    assert are_wrong(answer, scene(REFERENCE), house=frozenset())


@pytest.mark.parametrize(
    "answer",
    [
        "Within 30 days, for 9 euro.",
        "Yes, you can.",
        "9.00 euro come back to you.",
        "1. Pack it.\n2. Send it.",
        "Try 2 boxes.",
        "One of us is there 24/7.",
        "Option 2 may help.",
        "Ein Kollege hilft.",
        "Wait one moment.",
    ],
)
def test_a_figure_that_agrees_or_is_no_ones_business_passes(scene: SceneMaker, answer: str) -> None:
    assert not are_wrong(answer, scene(REFERENCE), house=frozenset())


def test_what_the_house_says_elsewhere_was_not_invented(scene: SceneMaker) -> None:
    house = frozenset(find_values("We close at 17:30 and bill 49 dollars on 11 Dec."))
    assert not are_wrong("At 5:30 pm, for forty-nine.", scene("Come in."), house=house)
    assert not are_wrong("It is 49, on the 11th.", scene("Come in."), house=house)
    assert are_wrong("At 6:30 pm.", scene("Come in."), house=house)


@pytest.mark.parametrize("answer", ["It takes 4 to 9 days.", "It takes six hours.", "It costs 5 euro.", "3 kg."])
def test_a_measure_of_which_nobody_gave_that_much_was_invented(scene: SceneMaker, answer: str) -> None:
    """However few its digits, and whatever else there are as many of."""
    house = frozenset(find_values("It takes 3-5 days, 6 people and 9 euro."))
    assert are_wrong(answer, scene("Come in."), house=house)
    assert not are_wrong("It takes 5 days, for nine euro.", scene("Come in."), house=house)
    assert not are_wrong("Try 2 boxes and option 3.", scene("Come in."), house=house)


def test_a_figure_that_was_asked_about_is_not_given(scene: SceneMaker) -> None:
    assert not gives_figures("You paid twelve euros.", scene("Yes.", question="I paid €12."))
    assert gives_figures("You paid 13 euros.", scene("Yes.", question="I paid €12."))


@pytest.mark.parametrize(
    ("words", "number"),
    [
        ("two", 2), ("twenty-five", 25), ("one hundred and twenty", 120), ("two hundred", 200),
        ("three thousand two hundred and six", 3206), ("zwölf", 12), ("five six", None), ("twenty twenty", None),
    ],
)  # fmt: skip
def test_number_words_make_one_number_or_none(words: str, number: int | None) -> None:
    assert read_number_words(words) == (None if number is None else Decimal(number))


@pytest.mark.parametrize(
    ("text", "holds_any"),
    [
        ("9" * 5000, True), ("1 000" * 2000, True), ("1-" * 3000, True), ("0/0/0000", True), ("31/31/2026", True),
        ("99.99.99", True), ("²³½", False),
    ],
)  # fmt: skip
def test_odd_digits_are_read_without_a_crash(text: str, holds_any: bool) -> None:
    assert bool(find_values(text)) is holds_any
