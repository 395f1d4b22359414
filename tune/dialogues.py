"""Put the API calls of one dialogue together, so that they are one conversation with one side, counted once.

A caller sends the history along, so each call is recorded as a conversation whose messages repeat the one before. A
call goes on with an earlier one of the same key where its history is that call's whole path, answer included, word for
word.
A caller who shortens the history or rewrites an answer begins a new dialogue: nothing else says that it is the same.
Does not know the split, but for the words by which an earlier night or an import chose.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from tune.snapshot import Said, Snapshot, Talk

API: Final = "api"


@dataclass(frozen=True, slots=True)
class _Call:
    """A conversation that is one call: its question and answer, and the history before them."""

    talk: Talk
    path: tuple[Said, ...]

    @property
    def spoken(self) -> list[Said]:
        """Without system messages: a caller may put the time of day there."""
        return [said for said in self.path if said.role != "system"]

    @property
    def instructions(self) -> list[str]:
        return [said.content for said in self.path if said.role == "system"]


def join_dialogues(snapshot: Snapshot) -> Snapshot:
    """The snapshot with each dialogue under the id of its first call."""
    calls = {name: call for name in snapshot.talks if (call := _call(snapshot, name))}
    before = _find_earlier(calls.values())
    members: dict[str, list[str]] = {}
    messages = dict(snapshot.messages)
    roots: dict[str, str] = {}
    for name in snapshot.talks:
        earlier = before.get(name)
        roots[name] = roots[earlier] if earlier else name
        members.setdefault(roots[name], []).append(name)
        if earlier:
            messages[roots[name]] += _continue(calls[name], calls[earlier], dialogue=roots[name])
            del messages[name]
    talks = {root: _merge([snapshot.talks[name] for name in names]) for root, names in members.items()}
    return replace(snapshot, talks=talks, messages=messages)


def _call(snapshot: Snapshot, name: str) -> _Call | None:
    talk, messages = snapshot.talks[name], snapshot.messages.get(name, ())
    if talk.source != API or not messages or messages[-1].role != "assistant":
        return None
    by_id = {said.message_id: said for said in messages}
    path = [messages[-1]]
    while (said := by_id.get(path[-1].parent_id or "")) is not None:
        path.append(said)
    return _Call(talk, tuple(path[::-1])) if len(path) == len(messages) else None


def _find_earlier(calls: Iterable[_Call]) -> Mapping[str, str]:
    """For each call the one that it goes on with: the newest that no other goes on with, else the newest."""
    ends: dict[bytes, list[str]] = {}
    before: dict[str, str] = {}
    continued: set[str] = set()
    for call in calls:
        *histories, whole = _digests(call)
        found = next((ends[digest] for digest in reversed(histories) if digest in ends), None)
        if found:
            free = [name for name in found if name not in continued]
            before[call.talk.conversation_id] = earlier = (free or found)[-1]
            continued.add(earlier)
        ends.setdefault(whole, []).append(call.talk.conversation_id)
    return before


def _digests(call: _Call) -> Iterator[bytes]:
    """Of the path up to each answer."""
    digest = hashlib.sha256(call.talk.owner.encode())
    for said in call.spoken:
        digest.update(f"\0{said.role}\0{len(said.content)}\0{said.content}".encode())
        if said.role == "assistant":
            yield digest.digest()


def _continue(call: _Call, earlier: _Call, *, dialogue: str) -> tuple[Said, ...]:
    """What the call adds, behind the answer before it; under other instructions it stands beside, history and all."""
    if call.instructions != earlier.instructions:
        return tuple(replace(said, conversation_id=dialogue) for said in call.path)
    added = call.spoken[len(earlier.spoken) :]
    parents = [earlier.path[-1], *added]
    return tuple(
        replace(said, conversation_id=dialogue, parent_id=parent.message_id)
        for said, parent in zip(added, parents, strict=False)
    )


def _merge(calls: Sequence[Talk]) -> Talk:
    """An import that holds out comes before one that does not; what may have been trained on stays with training."""
    if len(calls) == 1:
        return calls[0]
    marks = [talk.is_held_out for talk in calls if talk.is_held_out is not None]
    sides = [talk.side for talk in calls if talk.side is not None]
    return replace(
        calls[0],
        is_held_out=any(marks) if marks else None,
        side="train" if "train" in sides else "held-out" if sides else None,
        calls=tuple(talk.conversation_id for talk in calls),
    )
