"""A conversation as the tree it is: which branch a page shows, what else there is, and what of it an engine may see.

Retries and questions asked twice (in two tabs, or anew after a failure) are siblings, and so are two answers that were
given at once for people to compare: with the one that was not found better no page goes on by itself. An answer that
failed or holds nothing, not even a call, is a torso: it is shown where nothing better stands beside it, and never
becomes part of a prompt.
"""

from collections import defaultdict
from collections.abc import Sequence

from collect.conversations import conversation_messages
from collect.side_by_side import Duel, duels_in
from collect.store import Cursor
from nightschool.errors import NotFound
from nightschool.records import Finish, Message


class Tree:
    """The messages of one conversation, given oldest first, and what of them was said to be compared."""

    def __init__(self, messages: Sequence[Message], duels: Sequence[Duel] = ()) -> None:
        self._by_id = {message.message_id: message for message in messages}
        self._below: dict[str | None, list[Message]] = defaultdict(list)
        self._news = {message.message_id: age for age, message in enumerate(messages)}
        self._duels = duels
        self._passed_over = {duel.passed_over_id for duel in duels}
        for message in messages:
            self._below[message.parent_id].append(message)
        for message in reversed(messages):
            if message.parent_id in self._news:
                self._news[message.parent_id] = max(self._news[message.parent_id], self._news[message.message_id])

    def find(self, message_id: str) -> Message | None:
        return self._by_id.get(message_id)

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
        """Where the newest branch ends, of all or of those that go through `below`; a whole answer before a torso, and
        any before one that nobody found better nor went on from."""
        leaf = below
        while children := self._below.get(leaf):
            whole = [child for child in children if not is_torso(child)]
            kept = [child for child in whole if not self._is_passed_over(child)]
            leaf = max(kept or whole or children, key=lambda child: self._news[child.message_id]).message_id
        return leaf

    def undecided(self, leaf: str | None) -> Duel | None:
        """The two answers to compare of which `leaf` is one, where the talk ends with them and nobody chose yet."""
        for duel in self._duels:
            answers = (duel.usual_id, duel.other_id)
            if leaf in answers and duel.choice is None and all(answer in self._by_id for answer in answers):
                others = self.siblings(self._by_id[duel.usual_id])
                return duel if len(others) == 2 and not any(self._below.get(answer) for answer in answers) else None
        return None

    def _is_passed_over(self, message: Message) -> bool:
        return message.message_id in self._passed_over and not self._below.get(message.message_id)


def read_tree(cursor: Cursor, *, conversation_id: str) -> Tree:
    messages = conversation_messages(cursor, conversation_id=conversation_id)
    return Tree(messages, duels_in(cursor, conversation_id=conversation_id))


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
