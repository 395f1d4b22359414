"""What a caller orders of a run, made whole: whose rows, which version answers. Everything is looked up for the caller.

Does not know how a body looks (`serve.api.eval_bodies`), nor what a run does.
"""

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import partial
from typing import NamedTuple

from collect import completions_log
from collect.completions_log import LoggedCompletion
from collect.eval_runs import Generation, RunOrder
from nightschool.records import AdapterName
from serve.api.auth import Caller
from serve.api.eval_bodies import (
    Completions,
    FileContent,
    FileId,
    ItemReference,
    Jsonl,
    MessagesTemplate,
    RunBody,
    StoredCompletions,
)
from serve.api.faults import BadParameter
from serve.api.models import find_model
from serve.eval_rows import Source, read_uploaded, row_of_logged
from serve.files import EVALS
from serve.parts import Parts


class Ordered(NamedTuple):
    order: RunOrder
    rows: Iterable[Source]


async def order_of(parts: Parts, body: RunBody, caller: Caller) -> Ordered:
    """Raises BadParameter, NotFound, UnknownModel, NotAllowed."""
    source = body.data_source
    assert isinstance(source, Jsonl | Completions), "others are refused by their shape"
    rows = await _rows_of(parts, source.source, caller)
    told = source.model_dump(mode="json", exclude_none=True)
    if isinstance(source.source, FileContent):
        # Each row is told with what it came to, and once is enough.
        told["source"]["content"] = []
    order = RunOrder(
        name=body.name,
        source_json=json.dumps(told),
        metadata=body.metadata or {},
        rows=0,
        generation=await _generation_of(parts, source, caller) if isinstance(source, Completions) else None,
    )
    return Ordered(order, rows)


async def _rows_of(parts: Parts, source: FileContent | FileId | StoredCompletions, caller: Caller) -> Iterable[Source]:
    match source:
        case FileContent():
            return [Source(row) for row in source.rows]
        case FileId():
            file = await parts.files.find(source.id, owner=caller.owner)
            if file.purpose != EVALS:
                problem = f"has the purpose {file.purpose}, not {EVALS}"
                raise BadParameter(problem, param="data_source.source.id", openai_code="invalid_value")
            return read_uploaded(parts.files.place_of(file), file_id=file.file_id)
        case StoredCompletions():
            return [Source(row_of_logged(one), one.completion_id) for one in await _logged(parts, source, caller)]


async def _logged(parts: Parts, source: StoredCompletions, caller: Caller) -> list[LoggedCompletion]:
    name = AdapterName.parse(source.model) if source.model else None
    found = await parts.store.read(
        partial(
            completions_log.logged_completions,
            owner=caller.owner,
            bot=name.bot if name else source.model,
            after=_time(source.created_after),
            before=_time(source.created_before),
            limit=min(source.limit or parts.settings.evals.max_run_rows, parts.settings.evals.max_run_rows),
        )
    )
    return [one for one in found if name is None or (not one.is_verified and one.version == name.version)]


async def _generation_of(parts: Parts, source: Completions, caller: Caller) -> Generation | None:
    if source.model is None or source.input_messages is None:
        return None
    bot, route = await find_model(parts, source.model, caller)
    return Generation(
        model=source.model,
        bot=bot.name,
        version=(route or parts.rollout.route(bot.bot_name)).name.version,
        messages_json=json.dumps(_asked(source.input_messages)),
        sampling=source.sampling_params.to_sampling(bot.sampling),
    )


def _asked(messages: MessagesTemplate | ItemReference) -> list[dict[str, str]] | str:
    if isinstance(messages, ItemReference):
        return messages.item_reference
    return [{"role": one.role, "content": one.text} for one in messages.template]


def _time(seconds: int | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
