"""Of a model of a job: after which step of the training it was taken, and how the training stood then."""

from typing import Final

JOB_CHECKPOINTS: Final = """
-- Null, as of models of before.
alter table tuned_models add column step integer;
alter table tuned_models add column metrics_json text;
"""
