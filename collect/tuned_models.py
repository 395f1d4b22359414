"""Models that came of callers' jobs, by the names that OpenAI gives such: each its owner's, a lineage of its own."""

from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Final

from collect.store import Cursor
from nightschool.records import AdapterName, BotName

ADD: Final = """
insert into tuned_models (name, owner, job_id, lineage, version, created_at)
values ($name, $owner, $job_id, $lineage, $version, $created_at)
"""
LIST: Final = """
select name, owner, job_id, lineage, version, created_at
from tuned_models where $owner is null or owner = $owner
order by created_at, name
"""
DELETE: Final = "delete from tuned_models where name = $name"


@dataclass(frozen=True, slots=True)
class TunedModel:
    name: str
    """`ft:BASE:ORGANISATION:SUFFIX:ID`."""
    owner: str
    job_id: str
    lineage: BotName
    """Under which the adapter is registered, apart from every bot's."""
    version: int
    created_at: datetime

    @property
    def adapter_name(self) -> AdapterName:
        return AdapterName(self.lineage, self.version)


def add_model(cursor: Cursor, *, model: TunedModel) -> None:
    cursor.execute(ADD, asdict(model))


def list_models(cursor: Cursor, *, owner: str | None) -> list[TunedModel]:
    """Oldest first; of everybody where `owner` is None."""
    return [_model(row) for row in cursor.execute(LIST, {"owner": owner}).fetchall()]


def find_model(cursor: Cursor, *, name: str, owner: str | None) -> TunedModel | None:
    """None where there is no such model, or it is somebody else's."""
    return next((model for model in list_models(cursor, owner=owner) if model.name == name), None)


def delete_model(cursor: Cursor, *, name: str) -> None:
    cursor.execute(DELETE, {"name": name})


def _model(row: tuple[Any, ...]) -> TunedModel:
    return TunedModel(row[0], row[1], row[2], BotName(row[3]), row[4], row[5].astimezone(UTC))
