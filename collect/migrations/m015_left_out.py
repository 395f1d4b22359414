"""Of an answer: how many of the oldest turns its prompt had no room for."""

from typing import Final

LEFT_OUT: Final = """
-- Null on what was recorded before.
alter table messages add column turns_left_out integer;
"""
