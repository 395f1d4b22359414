"""One fact in any notation is one fact, and other facts are others."""

import pytest

from eval.facts import fact_recall, fact_support, find_facts, standing_in

SAME = [
    ("4 euro", "€4"), ("EUR 4.00", "4 euros"), ("4,00 €", "EUR 4"), ("$1,000.50", "1000.50 dollars"),
    ("£5", "5 pounds"),
    ("two litres", "2 litres"), ("2 l", "2000 ml"), ("1 kg", "1000 grams"), ("1.5 metres", "150 cm"),
    ("20 %", "20 percent"),
    ("14 days", "two weeks"), ("12 months", "1 year"), ("24 hours", "one day"), ("90 minutes", "1.5 hours"),
    ("30 minutes", "thirty minutes"), ("fifteen seconds", "15 s"), ("3 to 5 business days", "3-5 days"),
    ("three to five days", "3 to 5 days"),
    ("2 pm", "14:00"), ("8 am", "08:00"), ("2:30 pm", "14.30 Uhr"), ("14h00", "2 pm"),
    ("11 December 2026", "2026-12-11"), ("Dec 11", "11 December"), ("11. Dezember", "December 11"),
    ("help@lumafern.example", "HELP@lumafern.example"), ("help (at) lumafern (dot) example", "help@lumafern.example"),
    ("0800 555 0142", "+49 800 555 0142"), ("0800 555 0142", "(0800) 5550142"), ("(555) 010-4477", "555-010-4477"),
    ("www.shop.example/help", "https://shop.example"), ("LF-204518", "LF204518"),
    ("DE89 3704 0044 0532 0130 00", "DE89370400440532013000"), ("100 euros", "hundred euros"),
    ("月額9ユーロです", "9ユーロ"),
    ("zwei Liter", "2 l"), ("dreißig Tage", "30 days"), ("trente jours", "30 jours"), ("cinco días", "5 days"),
    ("zwanzig Prozent", "20 %"), ("40 Euro im Jahr", "EUR 40"), ("10.000 €", "10,000 euro"), ("1 000 km", "1000 km"),
    ("iOS 16", "iOS 16 or later"),
    ("2.4 GHz", "2,4 GHz"), ("25 planters", "25 planter"), ("8 backup codes", "8 backup"),
    ("error 503", "503"), ("10 business days", "10 working days"), ("noon is 12:00", "12:00"),
    ("5 wrong passwords", "5 wrong"), ("4 people", "4 people at most"),
    ("15 metres", "15 meter"), ("24 hours", "24 h"), ("6 months", "half: 6 Monate"), ("2 years", "24 months"),
]  # fmt: skip
OTHER = [
    ("4 euro", "5 euro"), ("4 euro", "4 days"), ("5 days", "5 euros"), ("EUR 40", "EUR 4"), ("14 days", "30 days"),
    ("2 pm", "2 am"), ("14:00", "16:00"), ("11 December", "12 December"), ("2026-12-11", "2025-12-11"),
    ("help@lumafern.example", "info@lumafern.example"), ("0800 555 0142", "0800 555 0199"), ("LF-204518", "LF-204519"),
    ("shop.example", "store.example"), ("20 %", "25 %"), ("2 litres", "2 hours"), ("1 kg", "1 km"),
    ("iOS 16", "iOS 15"),
    ("3 to 5 days", "1 to 2 days"), ("30 minutes", "30 seconds"), ("89 euros", "54 euros"), ("10 days", "10 weeks"),
    ("1.5 hours", "15 hours"), ("$5", "€5"), ("15 seconds", "5 seconds"), ("8 am to 6 pm", "9 am to 5 pm"),
]  # fmt: skip
NONE = [
    "Hello, how can I help?", "1. Open the app\n2. Tap Return", "One of our colleagues will write to you.",
    "There are two ways to do that.", "We are there 24/7.", "That one is fine.", "No.", "", "First, press the button.",
    "Thanks a million!", "It may help.", "I'd do it once more.", "That is a three-step thing.",
]  # fmt: skip


@pytest.mark.parametrize(("one", "other"), SAME)
def test_one_fact_in_two_notations_is_one(one: str, other: str) -> None:
    assert fact_recall(f"It is {other}.", reference=f"That is {one}.") == 1


@pytest.mark.parametrize(("one", "other"), OTHER)
def test_two_facts_are_two(one: str, other: str) -> None:
    assert (fact_recall(f"It is {other}.", reference=f"That is {one}.") or 0) < 1
    assert (fact_support(f"It is {other}.", grounds=[f"That is {one}."]) or 0) < 1


@pytest.mark.parametrize("text", NONE)
def test_what_states_nothing_has_no_fact(text: str) -> None:
    assert find_facts(text) == ()
    assert fact_support(text, grounds=["30 days"]) is None
    assert fact_recall("30 days", reference=text) is None


def test_each_is_a_share_of_the_facts() -> None:
    reference = "Grove costs 4 euro a month and 40 euro a year."
    assert fact_recall("It is 4 euro a month.", reference=reference) == 0.5
    assert fact_support("It is 4 euro, or 12 for two.", grounds=["Grove: 4 euro", "12 months"]) == 1
    assert fact_support("4 euro within 9 days.", grounds=["4 euro"]) == 0.5
    assert fact_recall("", reference=reference) == 0


def test_a_name_of_the_glossary_is_a_fact() -> None:
    glossary = ["Grove", "Canopy"]
    assert fact_support("Take the Canopy plan.", grounds=["Grove is for five."], glossary=glossary) == 0
    assert fact_support("Take the grove plan.", grounds=["Grove is for five."], glossary=glossary) == 1
    assert find_facts("A mangrove.", glossary=glossary) == ()


def test_grounds_support_together() -> None:
    assert fact_support("It is 4 euro for 5 planters.", grounds=["4 euro", "up to 5 planters"]) == 1


def test_a_text_stands_in_others_where_each_of_its_facts_does() -> None:
    stands = standing_in(["Express is 12 euro.", "Ask help@shop.example."], ["Grove"])
    assert stands("It is EUR 12.00, and help@shop.example knows more.")
    assert stands("We do what we can.")
    assert not stands("It is 12 euro and takes 2 days.")
    assert not stands("Grove is free.")
