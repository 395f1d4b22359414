"""A passage may be what the team answered to somebody: then it goes with the conversation when that is erased."""

from typing import Final

ANSWERS_AS_PASSAGES: Final = """
-- Null on pieces of documents.
alter table passages add column conversation_id text;
"""
