"""One id for what one voter thinks of one answer: DuckDB looks nothing up by two columns.

Before, all that anybody thought of an answer was read for each vote on it. The id is `collect.standing.opinion_id`.
"""

from typing import Final

OPINION_IDS: Final = """
create table named_feedback (
    opinion_id text using compression uncompressed primary key,
    message_id text using compression uncompressed not null,
    voter text not null,
    bot text not null,
    vote text not null,
    reasons text[] not null,
    comment text not null,
    ideal_answer text not null,
    voted_at timestamptz not null,
    address text
);
insert into named_feedback by name select md5(md5(message_id) || voter) as opinion_id, * from feedback;
drop table feedback;
alter table named_feedback rename to feedback;
create index feedback_by_message on feedback (message_id);
"""
