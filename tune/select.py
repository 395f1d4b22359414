"""Choose what may be learnt from: which answers are worth imitating, which are better than which, and who voted how.

An answer is a target where an operator corrected or approved it, a voter wrote what it should have been, more people
voted it up than down, or it was imported with weight 1. An answer voted down is never one unless it was corrected.
Does not know on which side of the split anything falls, nor how it is trained.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from nightschool.records import ChatMessage
from tune.snapshot import Opinion, Ruling, Said, Snapshot

WHOLE: Final = frozenset({None, "stop"})
"""How an answer ends that may be imitated: one cut off in mid-sentence would teach to stop there."""


class VoteRef(NamedTuple):
    message_id: str
    voter: str


class Lineage(NamedTuple):
    """What a row was made of, so that it can be found again when a person is to be forgotten."""

    messages: tuple[str, ...]
    votes: tuple[VoteRef, ...]
    reviews: tuple[str, ...]
    """Ids of the answers whose review was used."""


@dataclass(frozen=True, slots=True)
class Lesson:
    """A row of supervised training: a chat that ends with an answer; answers with weight 0 are context only."""

    conversation_id: str
    messages: tuple[ChatMessage, ...]
    lineage: Lineage


@dataclass(frozen=True, slots=True)
class Pair:
    """Two answers to one prompt, the better one first."""

    conversation_id: str
    prompt: tuple[ChatMessage, ...]
    chosen: str
    rejected: str
    lineage: Lineage


@dataclass(frozen=True, slots=True)
class Rated:
    """An answer that more people liked than not, or the reverse."""

    conversation_id: str
    prompt: tuple[ChatMessage, ...]
    answer: str
    is_good: bool
    lineage: Lineage


@dataclass(frozen=True, slots=True)
class Selection:
    lessons: tuple[Lesson, ...]
    pairs: tuple[Pair, ...]
    rated: tuple[Rated, ...]
    left_out: Mapping[str, int]
    """Reasons why rated or imported answers are not imitated, counted."""


@dataclass(frozen=True, slots=True)
class _Judged:
    """An answer and what people made of it. `target` is what is to be said in its place, None where nothing is."""

    said: Said
    target: str | None
    net: int
    lineage: Lineage
    reason: str = ""

    @property
    def is_edited(self) -> bool:
        return self.target is not None and self.target != self.said.content


def select_rows(snapshot: Snapshot, *, system_prompt: str) -> Selection:
    """Every row that the snapshot holds, oldest conversation first."""
    trees = [_Tree(snapshot, name, system_prompt=system_prompt) for name in snapshot.talks]
    left_out = Counter(judged.reason for tree in trees for judged in tree.judged.values() if judged.reason)
    lessons = [lesson for tree in trees for lesson in tree.lessons()]
    sound = tuple(lesson for lesson in lessons if _alternates(lesson.messages))
    if len(sound) < len(lessons):
        left_out["roles do not alternate"] = len(lessons) - len(sound)
    return Selection(
        lessons=sound,
        pairs=tuple(pair for tree in trees for pair in tree.pairs() if _alternates(pair.prompt)),
        rated=tuple(rated for tree in trees for rated in tree.rated() if _alternates(rated.prompt)),
        left_out=left_out,
    )


class _Tree:
    """One conversation: who answered whom, and which of its answers are targets."""

    def __init__(self, snapshot: Snapshot, conversation_id: str, *, system_prompt: str) -> None:
        self._conversation_id = conversation_id
        self._system_prompt = system_prompt
        self._messages = {m.message_id: m for m in snapshot.messages.get(conversation_id, ())}
        self.judged = {
            name: _judge(m, snapshot.opinions.get(name, ()), snapshot.rulings.get(name))
            for name, m in self._messages.items()
            if m.role == "assistant"
        }

    def lessons(self) -> Iterator[Lesson]:
        """Each target is weighted in exactly one row; a row is as long as it can be.

        An edited answer ends its row, since what follows it in the record answers the original.
        """
        targets = [judged for judged in self.judged.values() if judged.target is not None]
        depth = {judged.said.message_id: len(self._path(judged.said)) for judged in targets}
        covered: set[str] = set()
        for end in sorted(targets, key=lambda judged: -depth[judged.said.message_id]):
            if end.said.message_id in covered:
                continue
            path = self._path(end.said)
            taught = [
                self.judged[m.message_id] for m in path[:-1] if m.role == "assistant" and self._is_open(m, covered)
            ]
            taught.append(end)
            covered.update(judged.said.message_id for judged in taught)
            yield Lesson(
                self._conversation_id,
                self._chat(path, taught=frozenset(judged.said.message_id for judged in taught), ending=end.target),
                _merge(path, taught),
            )

    def pairs(self) -> Iterator[Pair]:
        for judged in self.judged.values():
            if judged.is_edited and judged.target and judged.said.content.strip():
                yield self._pair(judged.said, chosen=judged.target, rejected=judged.said.content, because=[judged])
        for answers in self._siblings():
            liked = [a for a in answers if a.net > 0 and a.target == a.said.content]
            for better in liked:
                for worse in answers:
                    if worse.net < 0 and worse.said.content.strip() not in {"", better.said.content.strip()}:
                        yield self._pair(
                            better.said,
                            chosen=better.said.content,
                            rejected=worse.said.content,
                            because=[better, worse],
                        )

    def rated(self) -> Iterator[Rated]:
        for judged in self.judged.values():
            if judged.net != 0 and judged.said.content.strip():
                path = self._path(judged.said)
                yield Rated(
                    self._conversation_id, self._chat(path[:-1]), judged.said.content, judged.net > 0,
                    _merge(path, [judged]),
                )  # fmt: skip

    def _pair(self, said: Said, *, chosen: str, rejected: str, because: Sequence[_Judged]) -> Pair:
        path = self._path(said)
        return Pair(self._conversation_id, self._chat(path[:-1]), chosen, rejected, _merge(path, because))

    def _siblings(self) -> Iterator[list[_Judged]]:
        answers: dict[str, list[_Judged]] = {}
        for judged in self.judged.values():
            if judged.said.parent_id is not None:
                answers.setdefault(judged.said.parent_id, []).append(judged)
        yield from (group for group in answers.values() if len(group) > 1)

    def _is_open(self, message: Said, covered: set[str]) -> bool:
        judged = self.judged[message.message_id]
        return judged.target is not None and not judged.is_edited and message.message_id not in covered

    def _path(self, message: Said) -> list[Said]:
        path = [message]
        while path[-1].parent_id is not None and path[-1].parent_id in self._messages:
            path.append(self._messages[path[-1].parent_id])
        return path[::-1]

    def _chat(
        self, path: Sequence[Said], *, taught: frozenset[str] = frozenset(), ending: str | None = None
    ) -> tuple[ChatMessage, ...]:
        """The chat as the engine sees it: what a caller said as "system" stands behind the bot's own prompt."""
        extra = [m.content for m in path if m.role == "system" and m.content.strip() != self._system_prompt.strip()]
        chat = [ChatMessage(role="system", content="\n\n".join([self._system_prompt, *extra]))]
        for position, message in enumerate(path):
            if message.role == "system":
                continue
            is_end = ending is not None and position == len(path) - 1
            said = ChatMessage(role=message.role, content=ending if is_end and ending else message.content)
            if message.role == "assistant" and message.message_id not in taught:
                said["weight"] = 0
            chat.append(said)
        return tuple(chat)


def _judge(said: Said, opinions: Sequence[Opinion], ruling: Ruling | None) -> _Judged:
    """First what an operator ruled, then what voters wrote, then how they voted, then what an import brought."""
    net = sum(1 if opinion.vote == "up" else -1 for opinion in opinions)
    votes = tuple(VoteRef(opinion.message_id, opinion.voter) for opinion in opinions)
    lineage = Lineage((), votes, (said.message_id,) if ruling else ())

    def judged(target: str | None, reason: str = "") -> _Judged:
        return _Judged(said, target, net, lineage, reason)

    if ruling is not None and ruling.corrected_answer:
        return judged(ruling.corrected_answer)
    if ruling is not None and not ruling.is_approved:
        return judged(None, "turned down by an operator")
    # Opinions come oldest first: of several suggestions the latest counts.
    if ideal := next((opinion.ideal_answer for opinion in reversed(opinions) if opinion.ideal_answer), ""):
        return judged(ideal)
    if not said.content.strip():
        return judged(None, "empty" if opinions or ruling else "")
    if net < 0:
        return judged(None, "voted down")
    if ruling is not None or (said.source == "import" and said.weight != 0):
        return judged(said.content)
    if net > 0:
        return judged(said.content) if said.finish in WHOLE else judged(None, "voted up, but cut off")
    return judged(None, "votes cancel out" if opinions else "")


def _merge(path: Sequence[Said], because: Sequence[_Judged]) -> Lineage:
    messages = [*(m.message_id for m in path), *(judged.said.message_id for judged in because)]
    return Lineage(
        tuple(dict.fromkeys(messages)),
        tuple(sorted({vote for judged in because for vote in judged.lineage.votes})),
        tuple(sorted({review for judged in because for review in judged.lineage.reviews})),
    )


def _alternates(messages: Sequence[ChatMessage]) -> bool:
    """System, then user and assistant in turn: what chat templates accept."""
    roles = [message["role"] for message in messages[1:]]
    return bool(roles) and all(
        role == ("user" if position % 2 == 0 else "assistant") for position, role in enumerate(roles)
    )
