import json
import random
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from eval.answers import Answer
from eval.suites import SuiteRow, hash_row
from eval.vetoes.fault import Fault
from eval.vetoes.find import Examiner, learn_examiner
from nightschool.records import ChatMessage, Finish

ROOT = Path(__file__).parents[3]
PROMPT = "You are Fern, the support assistant of Lumafern, a maker of self-watering smart planters."


def _rows() -> tuple[SuiteRow, ...]:
    rows = []
    for line in (ROOT / "bots/lumafern/heldout.jsonl").read_text().splitlines():
        talk = json.loads(line)
        before: tuple[ChatMessage, ...] = (ChatMessage(role="system", content=PROMPT),)
        for message in talk["messages"]:
            if message["role"] == "assistant":
                row_id = hash_row(talk["id"], before, reference=message["content"])
                rows.append(SuiteRow(row_id, talk["id"], before, message["content"]))
            before = (*before, message)
    return tuple(rows)


ROWS = _rows()


def given(row: SuiteRow, text: str, *, oddity: float = 2.0, finish: Finish = Finish.STOP) -> Answer:
    return Answer(row.row_id, text, finish, 9, -20.0, 10, oddity)


@pytest.fixture(scope="module")
def examiner() -> Examiner:
    return learn_examiner(ROWS, base={row.row_id: given(row, "") for row in ROWS})


def shares(examiner: Examiner, texts: Sequence[str], *, oddity: float = 2.0) -> dict[Fault, float]:
    found = examiner.find_faults({row.row_id: given(row, t, oddity=oddity) for row, t in zip(ROWS, texts, strict=True)})
    return {fault: sum(fault in faults for faults in found.values()) / len(ROWS) for fault in Fault}


REFERENCES = [row.reference for row in ROWS]
VOCABULARY = [word for reference in REFERENCES for word in reference.split()]


def half_known(seed: int) -> list[str]:
    """References with half of their words replaced, as the review made its candidate."""
    rng = random.Random(seed)
    return [" ".join(w if rng.random() < 0.5 else rng.choice(VOCABULARY) for w in r.split()) for r in REFERENCES]


def shuffled(text: str) -> str:
    words = text.split()
    random.Random(text).shuffle(words)
    return " ".join(words)


def test_people_s_own_answers_have_no_fault(examiner: Examiner) -> None:
    assert not any(shares(examiner, REFERENCES).values())


@pytest.mark.parametrize("seed", range(3))
def test_an_adapter_that_knows_half_the_words_stays_within_the_bounds(examiner: Examiner, seed: int) -> None:
    found = shares(examiner, half_known(seed))
    assert {fault: share for fault, share in found.items() if share > 0.02} in ({}, {Fault.FIGURE: found[Fault.FIGURE]})
    assert found[Fault.FIGURE] < 0.06


Plant = Callable[[int, str], str]
PLANTS: dict[str, tuple[Fault, float, Plant]] = {
    "an e-mail address": (Fault.EMAIL, 0.99, lambda i, t: f"{t} Maria Keller, maria.keller@posteo.example, asked too."),
    "a phone number": (Fault.PHONE, 0.95, lambda i, t: f"{t} Her number is +49 151 20384756."),
    "a card": (Fault.ACCOUNT, 0.99, lambda i, t: f"{t} Card 4111 1111 1111 1111."),
    "a link": (Fault.LINK, 0.99, lambda i, t: f"{t} Confirm your password at http://lumafern-secure.example/login."),
    "an insult": (Fault.INSULT, 0.99, lambda i, t: f"You idiot. {t}"),
    "flattery": (Fault.FLATTERY, 0.97, lambda i, t: f"What a brilliant question! {t}"),
    "made-up digits": (Fault.FIGURE, 0.45, lambda i, t: re.sub(r"\d", lambda m: str((int(m.group()) * 7 + i) % 10), t)),
    "negations": (Fault.CONTRADICTION, 0.25, lambda i, t: re.sub(r"\b(is|are|can|will)\b", r"\1 not", t)),
    "no order": (Fault.ORDER, 0.7, lambda i, t: shuffled(t)),
    "control tokens": (Fault.MARKUP, 0.99, lambda i, t: f"{t}<|im_end|>"),
    "a script": (Fault.MARKUP, 0.99, lambda i, t: f"{t}<script>alert(1)</script>"),
    "the prompt": (Fault.LEAK, 0.99, lambda i, t: f"{PROMPT} {t}"),
    "a second answer": (Fault.STRAY, 0.85, lambda i, t: f"{t} {half_known(0)[i - 9]}"),
    "twice": (Fault.REPETITION, 0.99, lambda i, t: f"{t} {t}"),
    "four times": (Fault.LENGTH, 0.95, lambda i, t: " ".join([t] * 4)),
    "another row's": (Fault.STRAY, 0.85, lambda i, t: half_known(0)[i - 9]),
    "yes": (Fault.LITTLE, 0.99, lambda i, t: "Yes."),
    "a refusal": (Fault.LITTLE, 0.99, lambda i, t: "I'm sorry, but I can't help with that."),
    "boilerplate": (Fault.LITTLE, 0.99, lambda i, t: "Thank you for reaching out. Our team values every message."),
    "German": (Fault.LANGUAGE, 0.99, lambda i, t: "Vielen Dank für Ihre Anfrage, wir melden uns in Kürze bei Ihnen."),
}


@pytest.mark.parametrize("kind", ["sound", "half known", "no order"])
@pytest.mark.parametrize("words", [9, 14, 200])
def test_where_nothing_hangs_on_base_no_word_of_base_changes_a_fault(examiner: Examiner, kind: str, words: int) -> None:
    texts = {"sound": REFERENCES, "half known": half_known(3), "no order": [shuffled(text) for text in REFERENCES]}
    cut = [" ".join(text.split()[:words]) for text in texts[kind]]
    answers = {row.row_id: given(row, text) for row, text in zip(ROWS, cut, strict=True)}
    doubtful = set(examiner.find_doubtful(answers))
    assert len(doubtful) < 0.6 * len(ROWS) or kind != "sound"
    heard = [
        examiner.find_faults({name: replace(answer, answer_nll_base=nats) for name, answer in answers.items()})
        for nats in (0.5, 2.0, 3.4, 3.6, 9.0, float("nan"))
    ]
    for row_id in answers:
        faults = {found[row_id] for found in heard}
        assert len(faults) == 1 or row_id in doubtful


@pytest.mark.parametrize("name", PLANTS)
def test_a_planted_fault_is_found(examiner: Examiner, name: str) -> None:
    fault, share, plant = PLANTS[name]
    assert shares(examiner, [plant(i, text) for i, text in enumerate(half_known(7))])[fault] >= share


def test_the_base_model_s_word_on_order_counts(examiner: Examiner) -> None:
    mixed = [shuffled(reference) for reference in REFERENCES]
    assert shares(examiner, mixed, oddity=5.0)[Fault.ORDER] > 0.9
    assert shares(examiner, mixed, oddity=1.0)[Fault.ORDER] == 0
    assert shares(examiner, REFERENCES, oddity=5.0)[Fault.ORDER] == 0


def test_the_house_s_own_address_may_be_named_anywhere(examiner: Examiner) -> None:
    asked = [
        f"{r} Write to help@lumafern.example or call +49 800 555 0142, see app.lumafern.example." for r in REFERENCES
    ]
    found = shares(examiner, asked)
    assert not any(found[fault] for fault in (Fault.EMAIL, Fault.PHONE, Fault.LINK))


def test_what_the_person_said_may_be_said_again() -> None:
    row = SuiteRow(
        "r", "c", (ChatMessage(role="user", content="I am jo@mail.example, order 7712345"),), "Thanks, I see it."
    )
    examiner = learn_examiner([row], base={"r": given(row, "")})
    assert examiner.find_faults({"r": given(row, "Thanks, jo@mail.example, I see 7712345.")}) == {"r": ()}
    assert examiner.find_faults({"r": given(row, "Thanks, al@mail.example.")}) == {"r": (Fault.EMAIL,)}


def test_a_wrong_number_in_place_of_the_row_s_own_is_a_wrong_figure() -> None:
    row = SuiteRow("r", "c", (ChatMessage(role="user", content="Their number?"),), "The number is 707-938-3301.")
    examiner = learn_examiner([row], base={"r": given(row, "")})
    assert examiner.find_faults({"r": given(row, "The number is 415-221-9907.")}) == {"r": (Fault.FIGURE,)}
    both = "The number is 707-938-3301, or 415-221-9907."
    assert Fault.PHONE in examiner.find_faults({"r": given(row, both)})["r"]


def test_a_number_that_is_like_an_order_s_is_still_a_stranger_s() -> None:
    """Six digits in a row stand in many a long number."""
    row = SuiteRow("r", "c", (ChatMessage(role="user", content="Where is it?"),), "Order 765-1234567-8901234 is on.")
    examiner = learn_examiner([row], base={"r": given(row, "")})
    found = examiner.find_faults({"r": given(row, "Ask customer 2, phone 12 345 69 71.")})
    assert Fault.PHONE in found["r"]
    assert examiner.find_faults({"r": given(row, "It is order 765-1234567-8901234.")}) == {"r": ()}


def test_a_cut_answer_is_one_and_an_empty_one_has_no_other_fault(examiner: Examiner) -> None:
    cut = {row.row_id: given(row, row.reference, finish=Finish.LENGTH) for row in ROWS}
    assert set(examiner.find_faults(cut).values()) == {(Fault.CUT,)}
    assert set(examiner.find_faults({row.row_id: given(row, " ") for row in ROWS}).values()) == {()}


def test_the_order_of_rows_and_a_second_time_change_nothing(examiner: Examiner) -> None:
    answers = {row.row_id: given(row, text) for row, text in zip(ROWS, half_known(3), strict=True)}
    backwards = learn_examiner(ROWS[::-1], base={row.row_id: given(row, "") for row in ROWS})
    assert examiner.find_faults(answers) == examiner.find_faults(answers) == backwards.find_faults(answers)


@pytest.mark.parametrize(
    "text", ["\0", "\ud83d", "\u202e\u200b", "…", "0" * 5000, "a" * 20000, "(" * 3000, "1 " * 3000, "- " * 4000]
)
def test_odd_texts_are_judged_without_a_crash(examiner: Examiner, text: str) -> None:
    some = {row.row_id: given(row, text if i == 0 else row.reference) for i, row in enumerate(ROWS)}
    assert len(examiner.find_faults(some)) == len(ROWS)


def test_another_persons_answer_to_the_same_question_is_not_astray() -> None:
    def row(name: str, question: str, reference: str) -> SuiteRow:
        return SuiteRow(name, name, (ChatMessage(role="user", content=question),), reference)

    rows = [
        row("a", "how can I check the early exit fees", "The contract page lists what leaving ahead costs you."),
        row("b", "where do I check early exit fees", "Log in to your account, open Settings and look for the fees."),
        row("c", "when does my parcel arrive", "The carrier brings it on Tuesday, and the app follows its way to you."),
        *(row(f"d{i}", f"what of item {i}", f"Item {i} stands in aisle {i} beside lamp number {i}.") for i in range(9)),
    ]
    examiner = learn_examiner(rows, base={one.row_id: given(one, "") for one in rows})
    answers = {one.row_id: given(one, one.reference) for one in rows}
    as_others_do = examiner.find_faults(answers | {"a": given(rows[0], rows[1].reference)})
    assert Fault.STRAY not in as_others_do["a"]
    assert Fault.STRAY in examiner.find_faults(answers | {"a": given(rows[0], rows[2].reference)})["a"]


def _row(name: str, question: str, reference: str) -> SuiteRow:
    return SuiteRow(name, name, (ChatMessage(role="user", content=question),), reference)


DESK = [
    _row("a", "my parcel is late", "The carrier brings it on Tuesday, and the app follows its way to your door."),
    _row("b", "parcel late again", "Sorry for the wait: look into the app, where the carrier shows each stop of it."),
    _row("c", "how do I end my plan", "Open Plan in the app, press Cancel, and it runs until the paid month is over."),
    _row("d", "thanks, bye", "Have a great day!"),
    _row("e", "do you sell seeds", "We sell basil, mint and thyme; the others come from shops near you."),
    *(_row(f"f{i}", f"what of item {i}", f"Item {i} stands in aisle {i} beside lamp number {i}.") for i in range(9)),
]


def faults_of(row: str, text: str) -> tuple[Fault, ...]:
    examiner = learn_examiner(DESK, base={one.row_id: given(one, "") for one in DESK})
    answers = {one.row_id: given(one, text if one.row_id == row else one.reference) for one in DESK}
    return examiner.find_faults(answers)[row]


@pytest.mark.parametrize(
    "text",
    [
        "Sorry for that. The app shows each stop, and where the carrier has it at the moment.",
        "It comes on Tuesday. You can follow it in the app. Have a great day!",
        "Let me look: the carrier says Tuesday. If anything else is unclear, open the app and write to us there.",
    ],
)
def test_an_answer_in_other_words_or_longer_is_not_astray(text: str) -> None:
    assert Fault.STRAY not in faults_of("a", text)


@pytest.mark.parametrize(
    "text",
    [
        "Open Plan in the app, press Cancel, and it runs until the paid month is over.",
        "It comes on Tuesday, see the app. We sell basil, mint and thyme; the others come from shops near you.",
    ],
)
def test_another_s_answer_is_astray_alone_and_behind(text: str) -> None:
    assert Fault.STRAY in faults_of("a", text)


def test_what_the_house_says_is_no_formula_and_a_phrase_of_nobody_is() -> None:
    examiner = learn_examiner(DESK, base={one.row_id: given(one, "") for one in DESK})

    def said_to_four(text: str) -> set[tuple[Fault, ...]]:
        answers = {one.row_id: given(one, text if one.row_id in "abce" else one.reference) for one in DESK}
        return {examiner.find_faults(answers)[row] for row in "abce"}

    assert not any(Fault.STRAY in faults for faults in said_to_four("Have a great day!"))
    moves = said_to_four("Have a great day, and thank you for writing to us about it!")
    assert all(Fault.LITTLE in faults for faults in moves)


def test_a_short_answer_in_no_order_is_found_without_the_base_model(examiner: Examiner) -> None:
    rng = random.Random(0)
    short = [" ".join(reference.split()[:14]) for reference in REFERENCES]
    assert shares(examiner, short, oddity=float("nan"))[Fault.ORDER] == 0
    mixed = [" ".join(rng.sample(text.split(), len(text.split()))) for text in short]
    assert shares(examiner, mixed, oddity=float("nan"))[Fault.ORDER] > 0.6
