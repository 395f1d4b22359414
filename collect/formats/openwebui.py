"""Open WebUI's exports: chats as trees, and feedback with a snapshot of the chat that it is about.

Answers are context until somebody voted on them. Of feedback the thumb, reason, comment and tags are kept; the 1 to 10
rating beside it and the model's name are lost. Feedback without a snapshot looks for a chat that was imported before.
"""

from typing import Any, Final

from collect.formats.talk import ParsedNote, ParsedTree, Role, Said, Unfit, Voice, moment, person, said_text
from collect.formats.turns import text_of
from nightschool.records import Vote

ORIGIN: Final = "openwebui"
VOTES: Final = {1: Vote.UP, -1: Vote.DOWN}
ROLES: Final[dict[str, Role]] = {"user": "user", "assistant": "assistant", "system": "system"}


def read_chat(line: int, row: dict[str, Any], *, voice: Voice | None = None, about: str = "") -> ParsedTree:
    """`voice` is an opinion on the message named `about`."""
    chat = row["chat"]
    history = chat.get("history") if isinstance(chat, dict) else None
    nodes = history.get("messages") if isinstance(history, dict) else None
    if not isinstance(nodes, dict) or not nodes:
        raise Unfit("chat.history.messages is missing")
    said = {str(name): _said(str(name), node) for name, node in nodes.items()}
    if voice is not None:
        if about not in said or said[about].role != "assistant":
            raise Unfit("its snapshot does not hold the answer that it is about")
        voted = said[about]
        said[about] = Said(
            voted.message_id, voted.parent_id, voted.role, voted.content, 0, voted.said_at, voices=(voice,)
        )
    if not any(one.role == "assistant" for one in said.values()):
        raise Unfit("has no answer")
    return ParsedTree(
        line,
        ORIGIN,
        said_text(row.get("id"), what="id"),
        tuple(_parents_first(said)),
        owner=person(ORIGIN, row.get("user_id", "")),
        title=said_text(row.get("title") or "", what="title"),
        begun_at=moment(row.get("created_at")),
    )


def read_feedback(line: int, row: dict[str, Any]) -> ParsedTree | ParsedNote:
    data, meta, snapshot = row["data"], row["meta"], row.get("snapshot")
    if not isinstance(data, dict) or not isinstance(meta, dict):
        raise Unfit("data or meta is no object")
    rating = data.get("rating")
    vote = VOTES.get(rating) if isinstance(rating, int) else None
    if vote is None:
        raise Unfit("data.rating is neither 1 nor -1")
    about = said_text(meta.get("message_id"), what="meta.message_id")
    reason, tags = data.get("reason"), data.get("tags") or []
    reasons = [reason, *tags] if isinstance(tags, list) else [reason]
    voice = Voice(
        person(ORIGIN, row.get("user_id", "")),
        vote,
        reasons=tuple(said_text(one, what="data.reason") for one in reasons if one),
        comment=said_text(data.get("comment") or "", what="data.comment"),
        voted_at=moment(row.get("updated_at", row.get("created_at"))),
    )
    chat = snapshot.get("chat") if isinstance(snapshot, dict) else None
    if isinstance(chat, dict) and "chat" in chat:
        return read_chat(line, chat, voice=voice, about=about)
    return ParsedNote(line, ORIGIN, about, voice=voice)


def _said(name: str, node: Any) -> Said:
    role = node.get("role") if isinstance(node, dict) else None
    if not isinstance(role, str) or role not in ROLES:
        raise Unfit(f"message {name[:40]!r} has no role that is known")
    parent_id = node.get("parentId")
    content = said_text(text_of(node.get("content")), what="a message")
    return Said(
        name,
        parent_id if isinstance(parent_id, str) else None,
        ROLES[role],
        content,
        said_at=moment(node.get("timestamp")),
        is_whole=node.get("done") is not False,
    )


def _parents_first(said: dict[str, Said]) -> list[Said]:
    order: list[Said] = []
    placed: set[str | None] = {None}
    waiting = list(said.values())
    while waiting:
        ready = [one for one in waiting if one.parent_id in placed or one.parent_id not in said]
        if not ready:
            raise Unfit("its messages follow each other in a circle")
        order += ready
        placed.update(one.message_id for one in ready)
        waiting = [one for one in waiting if one.message_id not in placed]
    return order
