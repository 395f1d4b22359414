"""Ids by which single rows are looked up stand in the file as they are, and so does what is asked of an answer with
them: of a packed column DuckDB unpacks thousands of values to read one.

Measured with 100,000 messages: 256 answers by their ids took 60 to 80 ms, and take 4.
"""

from typing import Final

PLAIN_IDS: Final = """
create table plain_messages (
    message_id text using compression uncompressed primary key,
    conversation_id text using compression uncompressed not null,
    bot text using compression uncompressed not null,
    parent_id text,
    role text using compression uncompressed not null,
    content text not null,
    weight integer not null default 1,
    source text using compression uncompressed not null,
    created_at timestamptz not null,
    position bigint not null,
    version integer,
    adapter_hash text not null,
    finish text,
    prompt_tokens integer not null,
    completion_tokens integer not null,
    first_token_s double,
    duration_s double,
    sampling_json text not null,
    passage_ids text[],
    index_hash text,
    system_hash text,
    held_json text,
    turns_left_out integer,
    original_json text,
    base_model text,
    metadata_json text,
    tools_json text
);
insert into plain_messages by name select * from messages;
drop table messages;
alter table plain_messages rename to messages;
create index messages_by_conversation on messages (conversation_id);

create table plain_conversations (
    conversation_id text using compression uncompressed primary key,
    bot text not null,
    owner text using compression uncompressed not null,
    source text not null,
    title text not null,
    is_held_out boolean,
    created_at timestamptz not null,
    topic text
);
insert into plain_conversations by name select * from conversations;
drop table conversations;
alter table plain_conversations rename to conversations;
create index conversations_by_owner on conversations (owner);

create table plain_feedback (
    message_id text using compression uncompressed not null,
    voter text not null,
    bot text not null,
    vote text not null,
    reasons text[] not null,
    comment text not null,
    ideal_answer text not null,
    voted_at timestamptz not null,
    address text,
    primary key (message_id, voter)
);
insert into plain_feedback by name select * from feedback;
drop table feedback;
alter table plain_feedback rename to feedback;
create index feedback_by_message on feedback (message_id);
"""
