"""Does an answer refuse? By the formulas of a dozen languages in which support agents and models do.

A refusal in other words, or by talking of something else, is beyond sight. Whether it was right to refuse is not
decided here.
"""

import re
from typing import Final

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


def is_refusal(answer: str) -> bool:
    return bool(_SORRY.search(answer))
