"""Put placeholders where personal data stands: `[EMAIL_1]`, the same for the same thing throughout one conversation.

What many conversations name is nobody's secret: a company's mailbox, a product, a plan. It stays where at least
`COMMON_FROM` conversations say it, as in k-anonymity (Sweeney 2002), and so does what the bot's own texts say. Secrets
never stay. Pure.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from nightschool.pii.spans import Kind, Span
from nightschool.text import fold

COMMON_FROM: Final = 5
PLACEHOLDER: Final = re.compile(rf"\[({'|'.join(Kind)})_(\d{{1,6}})\]")


class Placeholders:
    """Of one conversation: the same for the same thing."""

    def __init__(self) -> None:
        self._known: dict[tuple[Kind, str], str] = {}
        self._counts: dict[Kind, int] = defaultdict(int)

    def of(self, kind: Kind, said: str) -> str:
        """`said` is folded."""
        if (kind, said) not in self._known:
            self._counts[kind] += 1
            self._known[kind, said] = f"[{kind}_{self._counts[kind]}]"
        return self._known[kind, said]

    def go_on_behind(self, texts: Iterable[str]) -> None:
        """Use no number that stands in these: what it stood for is not known any more."""
        for text in texts:
            for kind, number in PLACEHOLDER.findall(text):
                self._counts[Kind(kind)] = max(self._counts[Kind(kind)], int(number))


class Masker:
    """Masks a conversation text by text; `allowed` are folded texts that stay."""

    def __init__(self, allowed: frozenset[str] = frozenset(), placeholders: Placeholders | None = None) -> None:
        self._allowed = allowed
        self._placeholders = placeholders or Placeholders()
        self.masked: dict[Kind, int] = defaultdict(int)
        """How often something of a kind was replaced."""

    def mask(self, text: str, spans: Sequence[Span]) -> str:
        pieces, at = [], 0
        for span in spans:
            said = text[span.start : span.end]
            if span.kind is not Kind.SECRET and fold(said) in self._allowed:
                continue
            pieces += [text[at : span.start], self._placeholders.of(span.kind, fold(said))]
            self.masked[span.kind] += 1
            at = span.end
        return "".join([*pieces, text[at:]])


def find_common(
    said: Iterable[tuple[str, str, Sequence[Span]]], *, own: str = "", known: Iterable[str] = ()
) -> frozenset[str]:
    """What may stay, folded: `said` is each text with its conversation and its spans, `own` the bot's own texts, and
    `known` what an operator allows."""
    speakers: Mapping[str, set[str]] = defaultdict(set)
    for conversation_id, text, spans in said:
        for span in spans:
            speakers[fold(text[span.start : span.end])].add(conversation_id)
    own = fold(own)
    stays = {thing for thing, by in speakers.items() if len(by) >= COMMON_FROM or thing in own}
    return frozenset(stays.union(map(fold, known)))
