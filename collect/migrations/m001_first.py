"""The first schema. No foreign keys: DuckDB refuses to update an indexed column of a referenced parent."""

from typing import Final

FIRST: Final = """
create table bots (
    bot text primary key,
    first_seen_at timestamptz not null
);

create table conversations (
    conversation_id text primary key,
    bot text not null,
    owner text not null,
    source text not null,
    title text not null,
    is_held_out boolean,
    created_at timestamptz not null
);
create index conversations_by_owner on conversations (owner);

-- A tree: parent_id, so that retries and edits are siblings and nothing rated is lost.
create table messages (
    message_id text primary key,
    conversation_id text not null,
    bot text not null,
    parent_id text,
    role text not null,
    content text not null,
    weight integer not null default 1,
    source text not null,
    created_at timestamptz not null,
    position bigint not null,
    version integer,
    adapter_hash text not null,
    finish text,
    prompt_tokens integer not null,
    completion_tokens integer not null,
    first_token_s double,
    duration_s double,
    sampling_json text not null
);
create index messages_by_conversation on messages (conversation_id);
create sequence message_positions;

create table feedback (
    message_id text not null,
    voter text not null,
    bot text not null,
    vote text not null,
    reasons text[] not null,
    comment text not null,
    ideal_answer text not null,
    voted_at timestamptz not null,
    primary key (message_id, voter)
);

create table feedback_history (
    message_id text not null,
    voter text not null,
    bot text not null,
    vote text not null,
    reasons text[] not null,
    comment text not null,
    ideal_answer text not null,
    voted_at timestamptz not null
);

create table reviews (
    message_id text primary key,
    bot text not null,
    reviewer text not null,
    approved boolean not null,
    corrected_answer text not null,
    tags text[] not null,
    reviewed_at timestamptz not null
);

create table adapters (
    bot text not null,
    version integer not null,
    content_hash text not null,
    folder text not null,
    stage text not null,
    cycle_id text not null,
    dataset_hash text not null,
    created_at timestamptz not null,
    has_passing_verdict boolean not null,
    primary key (bot, version)
);

create table evaluations (
    evaluation_id text primary key,
    cycle_id text not null,
    bot text not null,
    candidate integer not null,
    outcome text not null,
    reasons text[] not null,
    figures_json text not null,
    folder text not null,
    evaluated_at timestamptz not null
);

create table cycles (
    cycle_id text primary key,
    bot text not null,
    started_by text not null,
    local_date date,
    state text not null,
    step text not null,
    progress double not null,
    started_at timestamptz not null,
    finished_at timestamptz,
    candidate integer,
    outcome text,
    reasons text[] not null,
    figures_json text not null,
    unique (bot, local_date)
);

create table events (
    event_id text primary key,
    happened_at timestamptz not null,
    bot text not null,
    actor text not null,
    action text not null,
    subject text not null,
    reason text not null
);

create table api_keys (
    name text primary key,
    scope text not null,
    secret_hash text not null,
    created_at timestamptz not null,
    revoked_at timestamptz
);
"""
