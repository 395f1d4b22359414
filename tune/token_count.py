"""How many tokens a text has for a base model, without torch or transformers: by its tokenizer's file, else about.

Does not know chat templates, nor where models come from.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Final

TOKENIZER: Final = "tokenizer.json"
BYTES_PER_TOKEN: Final = 4
"""About, of text in most languages; used where the tokenizer's file is not at hand."""


def token_counter(base_model: str) -> Callable[[str], int]:
    """`base_model` is a folder or a hub's id; of the latter, tokens are estimated."""
    file = Path(base_model) / TOKENIZER
    if not file.is_file():
        return _estimate
    from tokenizers import Tokenizer  # noqa: PLC0415  # half a second that most verbs do not need

    tokenizer = Tokenizer.from_file(str(file))

    def count(text: str) -> int:
        return len(tokenizer.encode(text, add_special_tokens=False).ids)

    return count


def _estimate(text: str) -> int:
    return -(-len(text.encode()) // BYTES_PER_TOKEN)
