"""What operators ruled before: a later ruling on the same answer replaces the earlier one, which stays here."""

from typing import Final

REVIEW_HISTORY: Final = """
create table review_history (
    message_id text not null,
    bot text not null,
    reviewer text not null,
    approved boolean not null,
    corrected_answer text not null,
    tags text[] not null,
    reviewed_at timestamptz not null
);
"""
