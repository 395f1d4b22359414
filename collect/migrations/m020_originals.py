"""Of an import's first message: what of its row is no text, such as tools, their calls and results, as it came."""

from typing import Final

ORIGINALS: Final = """
-- Null where the texts are all there was.
alter table messages add column original_json text;
"""
