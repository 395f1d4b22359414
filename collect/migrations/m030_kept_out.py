"""Of a vote that a screen stopped: whether an operator let it count or keeps it out."""

from typing import Final

KEPT_OUT: Final = """
-- Whoever ruled before could only let votes count.
alter table releases add column counts boolean default true;
"""
