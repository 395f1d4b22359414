"""Answers that callers of the API asked to be listed (OpenAI's `store`), and what they noted with them."""

from typing import Final

STORED_COMPLETIONS: Final = """
create table stored_completions (
    message_id text primary key,
    model text not null,
    labels text[] not null
);
"""
