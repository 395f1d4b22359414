"""A conversation as the tree it is: which branch a page shows, what else there is, and what of it an engine may see.

Retries and questions asked twice (in two tabs, or anew after a failure) are siblings. An answer that failed or holds
nothing, not even a call, is a torso: it is shown where nothing better stands beside it, and never becomes part of a
prompt.
"""

from collections import defaultdict
from collections.abc import Sequence

from nightschool.errors import NotFound
from nightschool.records import Finish, Message


class Tree:
    """The messages of one conversation, given oldest first."""

    def __init__(self, messages: Sequence[Message]) -> None:
        self._by_id = {message.message_id: message for message in messages}
        self._below: dict[str | None, list[Message]] = defaultdict(list)
        self._news = {message.message_id: age for age, message in enumerate(messages)}
        for message in messages:
            self._below[message.parent_id].append(message)
        for message in reversed(messages):
            if message.parent_id in self._news:
                self._news[message.parent_id] = max(self._news[message.parent_id], self._news[message.message_id])

    def path(self, leaf: str | None) -> list[Message]:
        """From the first message down to `leaf`, empty for none. Raises NotFound for one of another conversation."""
        path: list[Message] = []
        while leaf is not None:
            if leaf not in self._by_id:
                raise NotFound("is not in this conversation", subject="message", remedy="Reload the page.")
            path.append(self._by_id[leaf])
            leaf = path[-1].parent_id
        return path[::-1]

    def before(self, question_id: str) -> list[Message]:
        """What had been said when this was asked. Raises NotFound where it is no question of this conversation."""
        *path, question = self.path(question_id)
        if question.role != "user":
            raise NotFound("is not a question", subject="message", remedy="Reload the page.")
        return path

    def siblings(self, message: Message) -> tuple[str, ...]:
        """Ids of what was said at the same place, the message's own among them, oldest first."""
        return tuple(other.message_id for other in self._below[message.parent_id] if other.role == message.role)

    def newest_leaf(self, below: str | None = None) -> str | None:
        """Where the newest branch ends, of all or of those that go through `below`; a whole answer before a torso."""
        leaf = below
        while children := self._below.get(leaf):
            whole = [child for child in children if not is_torso(child)]
            leaf = max(whole or children, key=lambda child: self._news[child.message_id]).message_id
        return leaf


def is_torso(message: Message) -> bool:
    return message.role == "assistant" and (
        message.finish is Finish.ERROR or not (message.content.strip() or message.tools_json)
    )


def without_torsos(path: Sequence[Message]) -> list[Message]:
    """The path less each torso and the question that it failed to answer."""
    kept: list[Message] = []
    for message in path:
        if not is_torso(message):
            kept.append(message)
        elif kept and kept[-1].role == "user":
            kept.pop()
    return kept
