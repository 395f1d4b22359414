"""How like two texts are, 0..1, by each of the measures that a `text_similarity` grader may name.

One idea of a word (`nightschool.wording`), but for BLEU, which has sacrebleu's. Texts are compared, not meanings;
cosine goes by word vectors, and is -1..1.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from eval.graders.criteria import Metric
from eval.graders.template import Ungraded
from eval.metrics.text import rouge_by
from nightschool.embedding import Embedder
from nightschool.wording import words

MAX_CHARS: Final = 10_000
"""Of either text: ROUGE-L takes time by the product of their lengths."""
_ROUGE: Final[Mapping[Metric, str]] = MappingProxyType(
    {f"rouge_{kind}": f"rouge{kind.upper()}" for kind in ("1", "2", "3", "4", "5", "l")}  # type: ignore[misc]
)


def similarity(metric: Metric, text: str, *, reference: str, embedder: Callable[[], Embedder]) -> float:
    """Raises Ungraded where a text is too long, Unavailable where word vectors are wanted and not there."""
    for one in (text, reference):
        if len(one) > MAX_CHARS:
            raise Ungraded(f"a text has {len(one)} characters, and at most {MAX_CHARS} are compared")
    match metric:
        case "fuzzy_match":
            return fuzzy_match(text, reference)
        case "bleu":
            return sentence_bleu(text, reference=reference)
        case "gleu":
            return sentence_gleu(text, reference=reference)
        case "cosine":
            return float(embedder().similarity([text], [reference])[0])
    return rouge_by(_ROUGE[metric], text, reference=reference)


def fuzzy_match(text: str, reference: str) -> float:
    """Twice the longest common subsequence of characters over both lengths: what rapidfuzz calls `ratio`; two empty
    texts are alike."""
    total = len(text) + len(reference)
    return 2 * _common_length(text, reference) / total if total else 1.0


def sentence_bleu(text: str, *, reference: str) -> float:
    """BLEU of one sentence, by the orders that it has (sacrebleu's `effective_order`)."""
    # Imported here, as below: the server starts without it.
    from sacrebleu.metrics.bleu import BLEU  # noqa: PLC0415

    return min(1.0, float(BLEU(effective_order=True).sentence_score(text, [reference]).score) / 100)


def sentence_gleu(text: str, *, reference: str) -> float:
    """Wu et al. 2016: the smaller of precision and recall of all 1- to 4-grams of words."""
    from nltk.translate.gleu_score import sentence_gleu as gleu  # noqa: PLC0415

    return float(gleu([words(reference)], words(text)))


def _common_length(one: str, other: str) -> int:
    """Of the longest common subsequence, a whole row of the table at once in the bits of a number (Hyyro 2004)."""
    places: dict[str, int] = {}
    for place, character in enumerate(one):
        places[character] = places.get(character, 0) | 1 << place
    mask = (1 << len(one)) - 1
    row = mask
    for character in other:
        matched = row & places.get(character, 0)
        row = (row + matched | row - matched) & mask
    return len(one) - row.bit_count()
