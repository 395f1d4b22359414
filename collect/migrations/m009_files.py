"""Files that callers sent to be trained on, and what trainings left for them."""

from typing import Final

FILES: Final = """
create table files (
    file_id text primary key,
    owner text not null,
    filename text not null,
    purpose text not null,
    size_bytes bigint not null,
    content_hash text not null,
    about_json text not null,
    created_at timestamptz not null
);
"""
