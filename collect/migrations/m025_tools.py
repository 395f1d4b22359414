"""Of a message: its calls of a caller's tools, or which call it answers."""

from typing import Final

TOOLS: Final = """
-- Null where a message is text alone, and on what was recorded before.
alter table messages add column tools_json text;
"""
