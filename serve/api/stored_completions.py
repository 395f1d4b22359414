"""/v1/chat/completions as a list, as OpenAI has it: answers that were asked for with `store`, and what was noted.

Does not take turns (`serve.api.completions`), and takes nothing out of the record: what is deleted here is not listed.
"""

from functools import partial
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Request
from pydantic import Field

from collect import conversations, stored_completions
from collect.stored_completions import StoredCompletion
from nightschool.records import Message
from nightschool.tools import read_tools
from serve.api.auth import Authority, Caller, require_key
from serve.api.bodies import read_body
from serve.api.files import is_newest_first, page_limit
from serve.api.fine_tuning import metadata_of, page_of
from serve.api.parameters import METADATA_CHARS, METADATA_NAME_CHARS, METADATA_PAIRS
from serve.api.replies import FINISHES
from serve.api.wishes import Part
from serve.parts import Parts
from serve.verified import answered_by

MAX_PAGE: Final = 100
Name = Annotated[str, Field(max_length=METADATA_NAME_CHARS)]
Value = Annotated[str, Field(max_length=METADATA_CHARS)]


class Change(Part):
    """The body of POST /v1/chat/completions/ID."""

    metadata: Annotated[dict[Name, Value], Field(max_length=METADATA_PAIRS)] | None
    """In place of what was noted; null notes nothing."""


def stored_completions_router(parts: Parts) -> APIRouter:
    router = APIRouter()
    authorise = require_key(parts)

    @router.get("/v1/chat/completions")
    async def list_all(
        request: Request,
        *,
        model: str | None = None,
        after: str | None = None,
        limit: str = "20",
        order: str = "asc",
        caller: Caller = Depends(authorise),
    ) -> dict[str, Any]:
        wanted = partial(
            stored_completions.list_stored,
            owner=caller.owner,
            model=model,
            metadata=metadata_of(request),
            after=after,
            limit=page_limit(limit, largest=MAX_PAGE),
            is_newest_first=is_newest_first(order),
        )
        page = await parts.store.read(wanted)
        cards = [_card(one) for one in page.completions]
        ends = {"first_id": cards[0]["id"] if cards else None, "last_id": cards[-1]["id"] if cards else None}
        return {"object": "list", "data": cards, "has_more": page.has_more, **ends}

    _add_one(router, parts, authorise)
    return router


def _add_one(router: APIRouter, parts: Parts, authorise: Authority) -> None:
    @router.get("/v1/chat/completions/{completion_id}")
    async def show(completion_id: str, caller: Caller = Depends(authorise)) -> dict[str, Any]:
        return _card(await _find(parts, completion_id, caller))

    @router.get("/v1/chat/completions/{completion_id}/messages")
    async def messages(
        completion_id: str,
        after: str | None = None,
        limit: str = "20",
        order: str = "asc",
        caller: Caller = Depends(authorise),
    ) -> dict[str, Any]:
        await _find(parts, completion_id, caller)
        path = await parts.store.read(partial(conversations.path_to, message_id=completion_id))
        asked = path[-2::-1] if is_newest_first(order) else path[:-1]
        return page_of([_message_card(message) for message in asked], after=after, limit=limit)

    @router.post("/v1/chat/completions/{completion_id}")
    async def change(completion_id: str, request: Request, caller: Caller = Depends(authorise)) -> dict[str, Any]:
        body = await read_body(request, Change, max_bytes=parts.settings.server.max_body_bytes)
        wanted = partial(stored_completions.label_stored, owner=caller.owner, completion_id=completion_id)
        return _card(await parts.store.write(partial(wanted, metadata=body.metadata or {})))

    @router.delete("/v1/chat/completions/{completion_id}")
    async def delete(completion_id: str, caller: Caller = Depends(authorise)) -> dict[str, Any]:
        wanted = partial(stored_completions.take_off_list, owner=caller.owner, completion_id=completion_id)
        await parts.store.write(wanted)
        return {"object": "chat.completion.deleted", "id": completion_id, "deleted": True}


async def _find(parts: Parts, completion_id: str, caller: Caller) -> StoredCompletion:
    wanted = partial(stored_completions.find_stored, owner=caller.owner, completion_id=completion_id)
    return await parts.store.read(wanted)


def _card(stored: StoredCompletion) -> dict[str, Any]:
    calls = read_tools(stored.tools_json)
    message = {"role": "assistant", "content": stored.answer or (None if calls else ""), "refusal": None, **calls}
    asked, said = stored.prompt_tokens, stored.completion_tokens
    return {
        "id": stored.completion_id,
        "object": "chat.completion",
        "created": int(stored.created_at.timestamp()),
        "model": stored.model,
        "system_fingerprint": answered_by(stored),
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": FINISHES[stored.finish]}],
        "usage": {"prompt_tokens": asked, "completion_tokens": said, "total_tokens": asked + said},
        "metadata": dict(stored.metadata),
    }


def _message_card(message: Message) -> dict[str, Any]:
    tools = read_tools(message.tools_json)
    content = message.content or (None if message.role == "assistant" else "")
    return {"id": message.message_id, "role": message.role, "content": content, "content_parts": None, **tools}
