"""Evals that callers made, their runs, and what each row of a run came to."""

from typing import Final

EVALS: Final = """
create table evals (
    eval_id text primary key,
    owner text not null,
    name text not null,
    source_json text not null,
    criteria_json text not null,
    metadata_json text not null,
    created_at timestamptz not null,
    updated_at timestamptz not null
);

create table eval_runs (
    run_id text primary key,
    eval_id text not null,
    owner text not null,
    state text not null,
    order_json text not null,
    tally_json text not null,
    error_json text,
    created_at timestamptz not null,
    started_at timestamptz,
    finished_at timestamptz
);

create table eval_outputs (
    run_id text not null,
    number bigint not null,
    status text not null,
    item_json text not null,
    sample_json text not null,
    results_json text not null,
    created_at timestamptz not null,
    primary key (run_id, number)
);
"""
