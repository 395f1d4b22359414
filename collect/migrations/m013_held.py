"""What a guard kept people from reading, with the facts that stand nowhere."""

from typing import Final

HELD: Final = """
-- A JSON list; null or empty where nothing was held back.
alter table messages add column held_json text;
"""
