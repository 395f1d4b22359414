"""What an answer that a machine made is refused for, and that a good one is not."""

import pytest

from nightschool.language import load_identifier
from nightschool.prompt import Neutraliser
from nightschool.records import ChatMessage
from tune.sound import House, Inspector, Unsound

SYSTEM = "You are Fern, who answers for the planter shop in short and friendly sentences. Write to help@fern.example."
PEOPLE = [
    "You can send it back within 30 days, and we pay for the parcel.",
    "Call us at +44 20 7946 0018 between nine and five, please.",
    "The blue planter is made of clay and stands the frost.",
]
QUESTION = "My number is +44 20 7946 0999 and my mail is ann@home.example. How long may I keep the red planter outside?"


def chat(question: str) -> tuple[ChatMessage, ...]:
    return ChatMessage(role="system", content=SYSTEM), ChatMessage(role="user", content=question)


def fault_of(answer: str, *, question: str = QUESTION, is_whole: bool = True, before: str = "") -> Unsound | None:
    rows = [[*chat("?"), ChatMessage(role="assistant", content=text)] for text in PEOPLE]
    muted = [*chat("?"), ChatMessage(role="assistant", content="Write to old@gone.example, dear.", weight=0)]
    inspector = Inspector(House.of([*rows, muted]), Neutraliser(("<tool>",)), load_identifier())
    return inspector.find_unsound(answer, chat(question), is_whole=is_whole, before=before)


@pytest.mark.parametrize(
    "answer",
    [
        "You can keep it outside all year, since clay stands the frost.",
        "Please write to help@fern.example, or call +44 20 7946 0018.",
        "All year long.",
    ],
)
def test_a_sound_answer_may_be_learnt(answer: str) -> None:
    assert fault_of(answer) is None


@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        ("", Unsound.EMPTY),
        (" \u200b\n", Unsound.EMPTY),
        ("...!", Unsound.EMPTY),
        ("All year <|im_end|> long.", Unsound.MARKUP),
        ("All year <tool> long.", Unsound.MARKUP),
        ("Yes.", Unsound.SHORT),
        ("so " * 20 + "and on " * 25, Unsound.LONG),
        ("It is fine outside and it is fine outside and it is fine outside.", Unsound.REPEATS),
        ("You can keep it outside. We wish you a good day. You can keep it outside.", Unsound.REPEATS),
        ("I am Fern, who answers for the planter shop in short and friendly sentences.", Unsound.RECITES),
        ("Please write to old@gone.example about that.", Unsound.CONTACT),
        ("We will call you back at +44 20 7946 0999 tomorrow.", Unsound.CONTACT),
        ("I have sent it to ann@home.example just now.", Unsound.CONTACT),
        ("You find all about it at https://planters.example/frost today.", Unsound.CONTACT),
        ("Sie können den Topf das ganze Jahr über draußen stehen lassen.", Unsound.FOREIGN),
        ("花盆可以全年放在户外不用担心。", Unsound.FOREIGN),
    ],
)
def test_an_unsound_one_is_refused(answer: str, fault: Unsound) -> None:
    assert fault_of(answer) is fault


def test_what_was_cut_off_or_not_good_before_is_refused() -> None:
    assert fault_of("You can keep it outside all", is_whole=False) is Unsound.CUT
    before = "You can keep it, outside all year!"
    assert fault_of("you can keep it outside  all year", before=before) is Unsound.SAME


def test_without_a_row_of_peoples_it_knows_no_contact() -> None:
    house = House([], system_prompt="")
    assert (house.least_words, house.most_words) == (2, 40)
    assert house.invents_contact("Write to help@fern.example.")
