"""Trainings that callers ordered, what is told of them, and the models that came of them."""

from typing import Final

JOBS: Final = """
create table jobs (
    job_id text primary key,
    owner text not null,
    state text not null,
    order_json text not null,
    outcome_json text not null,
    created_at timestamptz not null,
    started_at timestamptz,
    finished_at timestamptz
);

create table job_events (
    job_id text not null,
    number bigint not null,
    happened_at timestamptz not null,
    level text not null,
    message text not null,
    step bigint,
    data_json text not null,
    primary key (job_id, number)
);

create table tuned_models (
    name text primary key,
    owner text not null,
    job_id text not null,
    lineage text not null,
    version integer not null,
    created_at timestamptz not null
);
"""
