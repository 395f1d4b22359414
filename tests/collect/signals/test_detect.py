"""What a next turn gives away, in many languages, and what it does not."""

import pytest

from collect.signals.detect import Kind, NextTurn, find_signals
from collect.signals.phrases import Phrases, read_phrases

ASKED, SAID = "Where is my refund?", "It was sent last week."


@pytest.fixture(scope="module")
def phrases() -> Phrases:
    return read_phrases()


def kinds(phrases: Phrases, follow_up: str, *, question: str = ASKED, answer: str = SAID) -> list[str]:
    return [signal.kind.value for signal in find_signals(NextTurn(question, answer, follow_up), phrases=phrases)]


@pytest.mark.parametrize(
    "follow_up",
    [
        "No, that's wrong.",
        "THAT IS NOT WHAT I ASKED!!!",
        "thats not what i asked",
        "You already said that",
        "i already told u, r u even listening?",
        "You didn’t answer my question",
        "It was sent where? You are contradicting yourself.",
        "ok but that doesn't help",
        "Thanks for nothing",
        "still not working",
        "Das stimmt doch nicht!",
        "Danach habe ich nicht gefragt",
        "Ce n'est pas ce que je demande",
        "Vous n’avez pas répondu à ma question",
        "Eso no es lo que pregunté",
        "Non hai capito",
        "Não foi isso que eu perguntei",
        "Dat klopt niet",
        "Nie o to pytałem",
        "Bu doğru değil",
        "Это неправда",
        "Я не об этом спрашивал",
        "答非所问",
        "そうじゃない、返金のことです",
        "이미 말했잖아요",
        "هذا غير صحيح",
        "यह गलत है",
    ],
)
def test_who_says_that_it_is_wrong_is_heard(phrases: Phrases, follow_up: str) -> None:
    assert "correction" in kinds(phrases, follow_up)


@pytest.mark.parametrize(
    "follow_up",
    [
        "Can I talk to a human?",
        "connect me to your manager now!",
        "agent",
        "HUMAN please",
        "If it is not here tomorrow I am cancelling everything",
        "cancel everything",
        "I'm going to file a complaint",
        "you will hear from my lawyer",
        "I'm never ordering from you guys again",
        "i will take my business elsewhere",
        "Ich möchte mit einem Menschen sprechen",
        "Verbinden Sie mich",
        "Je veux parler à un conseiller",
        "Quiero hablar con una persona",
        "Vorrei parlare con un operatore",
        "Quero falar com um atendente",
        "Ik wil met een medewerker spreken",
        "Chcę rozmawiać z konsultantem",
        "Bir yetkiliyle görüşmek istiyorum",
        "Позовите оператора",
        "转人工",
        "オペレーターにつないで",
        "상담원 연결해 주세요",
        "أريد التحدث مع موظف",
        "मुझे मैनेजर से बात करनी है",
    ],
)
def test_who_wants_somebody_else_is_heard(phrases: Phrases, follow_up: str) -> None:
    assert "escalation" in kinds(phrases, follow_up)


@pytest.mark.parametrize(
    "follow_up",
    [
        "Thank you, that's not a problem",
        "Thanks, you answered my question!",
        "No, thank you.",
        "no that's all",
        "Great, and how long does that take?",
        "I do not want to talk to a human, you are fine",
        "I would rather not be transferred to another agent",
        "Is the agent's commission included in the price?",
        "yes",
        "",
        "…",
        "🙂",
        "\u202e\u0000",
        "Danke, das hilft mir sehr",
        "谢谢",
        "and what does it cost?",
    ],
)
def test_thanks_and_plain_questions_give_nothing_away(phrases: Phrases, follow_up: str) -> None:
    assert kinds(phrases, follow_up) == []


def test_a_plain_no_denies_only_where_nothing_was_asked(phrases: Phrases) -> None:
    assert kinds(phrases, "No.") == ["correction"]
    assert kinds(phrases, "No.", answer="Did you look into your account?") == []
    assert kinds(phrases, "No, thanks.") == []


@pytest.mark.parametrize(
    ("question", "follow_up", "is_again"),
    [
        ("Where is my refund?", "But where is my refund??", True),
        ("I would like to find a salon", "I would like to find a salon in Woodside", True),
        ("Thank you for your help", "thank you for your help!", False),
        ("Yes, that is correct", "yes that is correct", False),
        ("How do I return a planter?", "how do i retrun the planter", True),
        ("How do I change my delivery address?", "I want to change my delivery address, how do I do that?", True),
        ("返金はいつ届きますか", "返金はいつ届くのですか", True),
        ("How long does shipping to Norway take?", "How long does shipping to Sweden take?", False),
        ("Where is order 1234?", "Where is order 5678?", False),
        ("Where is my refund?", "It is order 1234, where is my refund?", False),
        ("Where is my refund?", "How do I water a fern in winter?", False),
        ("yes", "yes", False),
        ("", "", False),
    ],
)
def test_a_question_asked_again_is_known_from_another_one(
    phrases: Phrases, question: str, follow_up: str, is_again: bool
) -> None:
    assert ("rephrase" in kinds(phrases, follow_up, question=question)) == is_again


def test_who_answers_in_the_words_of_the_question_asks_nothing_again(phrases: Phrases) -> None:
    question, answer = "I would like to find a salon", "In which city?"
    assert kinds(phrases, "I would like to find a salon in Woodside", question=question, answer=answer) == []
    assert kinds(phrases, "I would like to find a salon!", question=question, answer=answer) == ["rephrase"]


def test_a_signal_quotes_our_phrase_and_never_the_person(phrases: Phrases) -> None:
    follow_up = "My name is Ada Example, that is not what I asked. Connect me to a human!"
    correction, escalation = find_signals(NextTurn(ASKED, SAID, follow_up), phrases=phrases)
    assert (correction.kind, correction.evidence) == (Kind.CORRECTION, "that is not what i asked")
    assert (escalation.kind, escalation.evidence) == (Kind.ESCALATION, "connect me to a human")


def test_a_long_text_is_read_in_no_time_to_speak_of(phrases: Phrases) -> None:
    assert kinds(phrases, "no " * 6_000) == []
