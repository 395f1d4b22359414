"""What a document becomes: passages under their headings, none too long, whatever the language."""

from hypothesis import given
from hypothesis import strategies as st

from collect.knowledge.document import Block, Document
from collect.knowledge.passages import MAX_TOKENS, count_tokens, cut, make_passage


def texts(*blocks: tuple[tuple[str, ...], str]) -> list[tuple[str, str]]:
    found = cut(Document("Returns", tuple(Block(headings, text) for headings, text in blocks)))
    return [(passage.heading, passage.text) for passage in found]


def test_what_stands_under_one_heading_is_one_passage() -> None:
    card, paypal, late = "By card: 5 days", "By PayPal: 1 day.", "Ask."
    assert texts((("Refunds",), card), (("Refunds",), paypal), (("Refunds", "Late"), late)) == [
        ("Refunds", "By card: 5 days; By PayPal: 1 day."),
        ("Refunds > Late", "Ask."),
    ]


def test_a_long_text_is_cut_between_sentences() -> None:
    sentence = "The tank of a planter must be empty and clean before it goes back."
    found = texts(((), " ".join([sentence] * 30)))
    assert len({text for _, text in found}) > 1
    assert all(text.endswith("back.") and count_tokens(text) <= MAX_TOKENS for _, text in found)


def test_languages_without_blanks_are_cut_too() -> None:
    sentences = "".join(f"退货必须在{number}天内完成。" for number in range(100, 160))
    found = texts(((), sentences))
    assert all(count_tokens(text) <= MAX_TOKENS and text.endswith("。") for _, text in found)
    assert "".join(text for _, text in found).replace(" ", "") == sentences


@given(st.text(alphabet=st.sampled_from("ab 退।-.9\n"), max_size=1_000))
def test_no_passage_is_too_long_and_no_letter_is_lost(text: str) -> None:
    passages = cut(Document("T", (Block((), text),)))
    assert all(count_tokens(passage.text) <= MAX_TOKENS for passage in passages)
    letters = {letter for letter in text if letter.isalnum()}
    assert letters == {letter for passage in passages for letter in passage.text if letter.isalnum()}


def test_the_same_text_under_the_same_heading_is_kept_once() -> None:
    assert len(texts(((), "Ask us."), (("Other",), "Ask us."), ((), "Ask us."))) == 2


def test_a_passage_is_named_by_all_that_it_says() -> None:
    one = make_passage("Returns", "Refunds", "In 5 days.")
    assert one.passage_id != make_passage("Returns", "", "In 5 days.").passage_id
    assert one == make_passage("Returns", "Refunds", "In 5 days.")


def test_nothing_that_is_not_seen_stands_in_a_passage() -> None:
    assert texts(((), "In\u202e 5\x00 days\ud800.")) == [("", "In 5 days.")]
