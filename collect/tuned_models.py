"""Models that came of callers' jobs, by the names that OpenAI gives such: each its owner's, a lineage for each job.

A job leaves its model, and checkpoints: models as its training had them after earlier passes.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Final

from collect.store import Cursor
from nightschool.records import BotName

ADD: Final = """
insert into tuned_models (name, owner, job_id, lineage, version, created_at, step, metrics_json)
values ($name, $owner, $job_id, $lineage, $version, $created_at, $step, $metrics_json)
"""
LIST: Final = """
select name, owner, job_id, lineage, version, created_at, step, metrics_json
from tuned_models where $owner is null or owner = $owner
order by created_at, name
"""
OF_JOB: Final = """
select name, owner, job_id, lineage, version, created_at, step, metrics_json
from tuned_models where job_id = $job_id
order by step desc nulls last
"""
DELETE: Final = "delete from tuned_models where name = $name"
CHECKPOINT: Final = ":ckpt-step-"


@dataclass(frozen=True, slots=True)
class TunedModel:
    name: str
    """`ft:BASE:ORGANISATION:SUFFIX:ID`, of a checkpoint with `:ckpt-step-N` behind it."""
    owner: str
    job_id: str
    lineage: BotName
    """Under which the adapter is registered, apart from every bot's."""
    version: int
    created_at: datetime
    step: int | None = None
    """Of the training, after which it was taken; None of models of before this was kept."""
    metrics_json: str | None = None
    """How the training stood then."""

    @property
    def is_checkpoint(self) -> bool:
        return CHECKPOINT in self.name


def add_model(cursor: Cursor, *, model: TunedModel) -> None:
    cursor.execute(ADD, asdict(model))


def list_models(cursor: Cursor, *, owner: str | None) -> list[TunedModel]:
    """Oldest first; of everybody where `owner` is None."""
    return [_model(row) for row in cursor.execute(LIST, {"owner": owner}).fetchall()]


def models_of_job(cursor: Cursor, *, job_id: str) -> list[TunedModel]:
    """Its model, then its checkpoints, the latest step first."""
    return [_model(row) for row in cursor.execute(OF_JOB, {"job_id": job_id}).fetchall()]


def find_model(cursor: Cursor, *, name: str, owner: str | None) -> TunedModel | None:
    """None where there is no such model, or it is somebody else's."""
    return next((model for model in list_models(cursor, owner=owner) if model.name == name), None)


def delete_models(cursor: Cursor, *, names: Sequence[str]) -> None:
    for name in names:
        cursor.execute(DELETE, {"name": name})


def _model(row: tuple[Any, ...]) -> TunedModel:
    return TunedModel(row[0], row[1], row[2], BotName(row[3]), row[4], row[5].astimezone(UTC), row[6], row[7])
