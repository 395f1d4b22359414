"""Of an answer: on which base model and with which metadata it was given; and where API calls stand by their paths."""

from typing import Final

CALLS: Final = """
-- Null on what was recorded before, and on what people said.
alter table messages add column base_model text;
alter table messages add column metadata_json text;

create table call_paths (
    path_hash text not null,
    message_id text not null,
    conversation_id text not null
);
create index call_paths_by_hash on call_paths (path_hash);
"""
