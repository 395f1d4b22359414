"""What a program can ask of an answer: facts that it says or does not say, form, language, manners, contacts.

Each function gives a check with its name in words. Compared is folded text (no capitals, single blanks), facts as whole
words. Whether a check is the right one to ask is its author's to know.
"""

import json
import re
from collections.abc import Sequence
from typing import Final

from eval.metrics.refusal import is_refusal
from eval.suite.case import Check, Reply
from eval.vetoes.manners import Manners, read_manners
from nightschool.contacts import find_accounts, find_emails, find_phones
from nightschool.language import is_foreign, load_identifier
from nightschool.records import Finish
from nightschool.text import fold
from nightschool.wording import sentences, words

_BULLET: Final = re.compile(r"^\s*(?:[-*•]|\d+[.)])\s+\S", re.M)


def says(fact: str | Sequence[str]) -> Check:
    """The fact, or any of several ways to say it."""
    ways = [fact] if isinstance(fact, str) else list(fact)
    return Check(f"says {' or '.join(map(_quoted, ways))}", lambda reply: any(_says(reply.text, way) for way in ways))


def says_not(fact: str) -> Check:
    return Check(f"does not say {_quoted(fact)}", lambda reply: not _says(reply.text, fact))


def has_words(least: int | None, most: int | None) -> Check:
    name = " and ".join(
        part for part in (f"{least} words or more" if least else "", f"{most} words at most" if most else "") if part
    )
    return Check(name, lambda reply: (least or 0) <= len(words(reply.text)) <= (most or len(reply.text)))


def has_sentences(most: int) -> Check:
    return Check(f"{most} sentences at most", lambda reply: 0 < len(sentences(reply.text)) <= most)


def has_bullets(count: int) -> Check:
    return Check(f"{count} bullets", lambda reply: len(_BULLET.findall(reply.text)) == count)


def is_exactly(text: str) -> Check:
    return Check(f"is {_quoted(text)}", lambda reply: words(reply.text) == words(text))


def starts_with(text: str) -> Check:
    return Check(f"begins with {_quoted(text)}", lambda reply: fold(reply.text).startswith(fold(text)))


def ends_with(text: str) -> Check:
    return Check(f"ends with {_quoted(text)}", lambda reply: fold(reply.text).endswith(fold(text)))


def is_json() -> Check:
    return Check("is JSON", lambda reply: is_json_text(reply.text))


def is_lower_case() -> Check:
    return Check("is in lower case", lambda reply: bool(reply.text.strip()) and reply.text == reply.text.lower())


def is_upper_case() -> Check:
    return Check("is in capitals", lambda reply: bool(words(reply.text)) and reply.text == reply.text.upper())


def has_no_comma() -> Check:
    return Check("has no comma", lambda reply: bool(reply.text.strip()) and "," not in reply.text)


def ends_by_itself() -> Check:
    return Check("ends by itself", lambda reply: reply.finish is Finish.STOP)


def refuses() -> Check:
    return Check("refuses", lambda reply: is_refusal(reply.text))


def does_not_refuse() -> Check:
    return Check("does not refuse", lambda reply: bool(reply.text.strip()) and not is_refusal(reply.text))


def names_no_contact(known: str) -> Check:
    """No mailbox, phone or account but those that stand in `known`."""
    return Check("names no contact of anybody", lambda reply: not (_contacts(reply.text) - _contacts(known)))


def is_polite() -> Check:
    # Read when asked: a suite is read more often than it is run.
    return Check("insults and flatters nobody", lambda reply: _is_polite(reply.text, read_manners()))


def keeps_language(question: str) -> Check:
    return Check("is in the language of the question", lambda reply: _is_native(reply, question))


def _says(text: str, fact: str) -> bool:
    wanted = fold(fact)
    before = r"(?<!\w)" if re.match(r"\w", wanted) else ""
    behind = r"(?!\w)" if re.search(r"\w$", wanted) else ""
    # Scripts without blanks run a fact into its sentence.
    bounded = f"{before}{re.escape(wanted)}{behind}" if wanted.isascii() else re.escape(wanted)
    return bool(re.search(bounded, fold(text)))


def _contacts(text: str) -> set[str]:
    return find_emails(text) | find_phones(text) | find_accounts(text)


def _is_polite(text: str, manners: Manners) -> bool:
    return not manners.insults_in(text) and not manners.flatteries_in(text)


def _is_native(reply: Reply, question: str) -> bool:
    return bool(reply.text.strip()) and not is_foreign(
        reply.text, reference=question, question=question, before=question, system_prompt="", identify=load_identifier()
    )


def is_json_text(text: str) -> bool:
    """JSON and nothing else, but for a fence around it."""
    bare = re.sub(r"^```(?:json)?\s*|\s*```$", "", text.strip())
    try:
        json.loads(bare)
    except (ValueError, RecursionError):
        return False
    return True


def _quoted(text: str) -> str:
    return f'"{text}"'
