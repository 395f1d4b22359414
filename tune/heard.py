"""Which messages of a recorded path make a chat that a template accepts. Does not know what any of it teaches."""

from collections.abc import Sequence

from nightschool.records import ChatMessage
from tune.snapshot import Said


def heard(path: Sequence[Said]) -> list[Said]:
    """`path` without what a failing engine left: an empty answer, and the question that never got one."""
    kept: list[Said] = []
    for message in path[:-1]:
        if message.role == "assistant" and not message.content.strip():
            while kept and kept[-1].role == "user":
                kept.pop()
        elif message.role != "system":
            kept.append(message)
    return [*kept, path[-1]]


def alternates(messages: Sequence[ChatMessage]) -> bool:
    """System, then user and assistant in turn: what chat templates accept."""
    roles = [message["role"] for message in messages[1:]]
    return bool(roles) and all(
        role == ("user" if position % 2 == 0 else "assistant") for position, role in enumerate(roles)
    )
