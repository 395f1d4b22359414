"""Of a row of a run: which recorded answer it grades, so that it is forgotten with it."""

from typing import Final

EVAL_MESSAGES: Final = """
-- Null where the row is the caller's own.
alter table eval_outputs add column message_id text;
"""
