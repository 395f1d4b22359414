"""How near two texts are in meaning: the cosine of their mean word vectors, by vectors that a package ships.

The vectors are WordLlama's (256 numbers for each of 32,000 tokens, taken from embeddings of large models and trained
on pairs of sentences); its package holds them, and nothing is downloaded. They know words, not sentences: negations and
swapped facts are hardly seen, so this tells topic from topic and decides nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from nightschool.errors import Unavailable

if TYPE_CHECKING:
    from tokenizers import Tokenizer

FloatArray = NDArray[np.float64]
PACKAGE: Final = "wordllama"
WEIGHTS: Final = "weights/l2_supercat_256.safetensors"
TOKENIZER: Final = "tokenizers/l2_supercat_tokenizer_config.json"


@dataclass(frozen=True, slots=True)
class Embedder:
    vectors: NDArray[np.float32]
    """(tokens, 256)."""
    tokenizer: "Tokenizer"

    def embed(self, texts: Sequence[str]) -> FloatArray:
        """(n, 256) mean vectors of length 1; zeros for a text without tokens."""
        found = np.zeros((len(texts), self.vectors.shape[1]))
        for place, encoded in enumerate(self.tokenizer.encode_batch(list(texts), add_special_tokens=False)):
            if encoded.ids:
                found[place] = self.vectors[encoded.ids].mean(axis=0, dtype=np.float64)
        lengths = np.linalg.norm(found, axis=1, keepdims=True)
        unit: FloatArray = np.divide(found, lengths, out=np.zeros_like(found), where=lengths > 0)
        return unit

    def similarity(self, answers: Sequence[str], references: Sequence[str]) -> FloatArray:
        """(n,) cosine -1..1 of each answer and its reference; 0 where one of them is empty."""
        cosines: FloatArray = (self.embed(answers) * self.embed(references)).sum(axis=1)
        return cosines


def load_embedder() -> Embedder:
    """Raises Unavailable where the package is not installed or holds other files."""
    # Imported and loaded here: most processes never need it. The package itself is not imported: it sets up logging,
    # and would look for its own tokenizer on the network.
    from safetensors.numpy import load_file  # noqa: PLC0415
    from tokenizers import Tokenizer  # noqa: PLC0415

    spec = find_spec(PACKAGE)
    folder = Path(spec.origin).parent if spec and spec.origin else Path(PACKAGE)
    try:
        tokenizer = Tokenizer.from_file(str(folder / TOKENIZER))
        (vectors,) = load_file(folder / WEIGHTS).values()
    except Exception as error:  # tokenizers and safetensors raise kinds of their own
        raise Unavailable(
            f"cannot be read ({error})", subject="the word vectors", remedy="Install the packages again: make up."
        ) from error
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return Embedder(vectors.astype(np.float32), tokenizer)
