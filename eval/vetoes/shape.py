"""The outside of an answer beside its reference: said again and again, far too long, or too short to say anything.

Compares lengths and words with the reference of the same row, so a bot whose references are short may be short.
"""

import re
from typing import Final

from eval.metrics.text import token_f1
from eval.vetoes.scene import Scene
from nightschool.wording import repetition, sentences, words

MORE_REPETITION: Final = 0.15
LONG: Final = 3.0
LONG_WORDS: Final = 40
SHORT: Final = 0.2
SHORT_WORDS: Final = 10
REPEATED_SENTENCE_WORDS: Final = 4
_SAID_AGAIN: Final = re.compile(r"^\W*(.{2,}?)(?:[\W_]+\1)+\W*$", re.S)
_SORRY: Final = re.compile(
    r"^\W*(?:(?:i(?:'m| am) |we(?:'re| are) )?(?:very |so |truly |deeply )?(?:sorry|afraid)|unfortunately|"
    r"i apologi[sz]e|regretfully|"
    r"apologies|my apologies)?\W*(?:but |that |,)?\W*(?:i|we)(?:'m| am| are|'re)?\s?(?:can(?:no|')t|can "
    r"not|do(?:n't| not)|won't|will not|"
    r"unable|not able|not allowed|not permitted|not in a position|must decline|have to decline|decline)\b[^.!?]{0,30}"
    r"\b(?:help|assist|answer|respond|reply|discuss|comment|fulfil|comply|provide|do that|talk|say|know|"
    r"continue|support|engage|process)|"
    r"\b(?:i|we)(?:'m| am|'re| are) (?:unable|not (?:able|allowed|permitted|in a position)) to (?:help|assist|answer|"
    r"discuss|respond|comment|say|talk)\b|\b(?:i|we)(?:'d| would) (?:rather|prefer) not (?:to )?(?:help|answer|respond|"
    r"discuss|talk|say|comment|get into)\b|\b(?:i|we) (?:must|have to|need to) (?:decline|refuse)\b|"
    r"\b(?:outside|beyond) (?:of )?what (?:i|we)(?:'m| am|'re| are)? ?(?:can|may|allowed|able|permitted)\b|"
    r"\bcan(?:'t|not| not) be of (?:any |more |further )?(?:assistance|help|service)\b|"
    r"\bas an? (?:AI|artificial|large|language|virtual)\b[^.]{0,60}\b(?:I|can|do|cannot)|"
    r"^\W*(?:das|dabei|leider|tut mir leid|es tut mir leid|entschuldigung)[^.!?]{0,60}(?:nicht (?:helfen|"
    r"beantworten|weiterhelfen|sagen)|keine auskunft)|"
    r"^\W*(?:lo siento|lamentablemente|desculpe|lamento)[^.!?]{0,60}(?:no puedo|n[ãa]o posso)|"
    r"^\W*(?:je suis désolé|désolé|malheureusement)[^.!?]{0,60}(?:ne (?:peux|puis)|pas)|^\W*(?:mi "
    r"dispiace|purtroppo)[^.!?]{0,60}non posso|"
    r"^\W*(?:извините|к сожалению|простите)[^.!?]{0,60}не (?:могу|можем)|(?:抱歉|对不起)[^。]{0,20}(?:无法|不能)|"
    r"(?:申し訳|すみません)[^。]{0,30}(?:でき|わかり)ません|죄송[^.]{0,30}(?:없|못)",
    re.I,
)  # fmt: skip
REFUSAL_F1: Final = 0.3


def is_repetitive(answer: str, scene: Scene) -> bool:
    if repetition(answer) > repetition(scene.reference) + MORE_REPETITION:
        return True
    bare = " ".join(answer.split()).casefold()
    if _SAID_AGAIN.match(bare) and not _SAID_AGAIN.match(" ".join(scene.reference.split()).casefold()):
        return True
    return len(_twice(answer) - _twice(scene.reference)) > 0


def is_too_long(answer: str, scene: Scene) -> bool:
    return len(words(answer)) > max(LONG * len(words(scene.reference)), LONG_WORDS)


def says_too_little(answer: str, scene: Scene) -> bool:
    """So short beside its reference that it cannot hold it, or a refusal where the reference has none."""
    said, wanted = len(words(answer)), len(words(scene.reference))
    if wanted >= SHORT_WORDS and said < max(2, SHORT * wanted):
        return True
    refuses = bool(_SORRY.search(answer)) and not _SORRY.search(scene.reference)
    return refuses and token_f1(answer, reference=scene.reference) < REFUSAL_F1


def _twice(text: str) -> set[str]:
    heard: set[str] = set()
    again: set[str] = set()
    for sentence in sentences(text):
        said = words(sentence)
        key = " ".join(said)
        if len(said) >= REPEATED_SENTENCE_WORDS and key in heard:
            again.add(key)
        heard.add(key)
    return again
