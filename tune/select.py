"""Make rows of what may be learnt: chats that end with an answer, better and worse answers, and who voted how.

And, where that is asked for, the questions that nobody answered well.

Which text an answer teaches, and by whose word, is `tune.words`'. Does not know on which side of the split anything
falls, nor how it is trained.
"""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import NamedTuple

from nightschool.records import ChatMessage
from tune.compared import by_conversation, may_be_compared
from tune.heard import alternates, heard
from tune.lack import Lack, find_lack
from tune.places import place_at_end
from tune.settle import Preference, settle
from tune.snapshot import Preferred, Said, Snapshot
from tune.weigh import DIGITS, weigh_words
from tune.words import BORROWED, WHOLE, Judged, VoteRef, Word, judge_answers


class Lineage(NamedTuple):
    """What a row was made of, so that it can be found again when a person is to be forgotten."""

    messages: tuple[str, ...]
    votes: tuple[VoteRef, ...]
    reviews: tuple[str, ...]
    """Ids of the answers whose review was used."""
    is_let_in: bool
    """Whether an operator ruled on every answer that the row is about, or brought it."""


@dataclass(frozen=True, slots=True)
class Lesson:
    """A row of supervised training: a chat that ends with an answer; answers with weight 0 are context only."""

    conversation_id: str
    messages: tuple[ChatMessage, ...]
    lineage: Lineage
    weight: float = 1.0
    """The mean of its answers', 0..1, times what its topic weighs."""


@dataclass(frozen=True, slots=True)
class Pair:
    """Two answers to one prompt, the better one first."""

    conversation_id: str
    prompt: tuple[ChatMessage, ...]
    chosen: str
    rejected: str
    lineage: Lineage
    word: Word
    """By which the better one is the better one."""
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Rated:
    """An answer that more people liked than not, or the reverse."""

    conversation_id: str
    prompt: tuple[ChatMessage, ...]
    answer: str
    is_good: bool
    lineage: Lineage
    weight: float = 1.0
    """How heavily it counts in training."""


@dataclass(frozen=True, slots=True)
class Unanswered:
    """A question that nobody answered well."""

    conversation_id: str
    prompt: tuple[ChatMessage, ...]
    answer: str
    """What people got."""
    lack: Lack
    lineage: Lineage
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Selection:
    lessons: tuple[Lesson, ...]
    pairs: tuple[Pair, ...]
    rated: tuple[Rated, ...]
    left_out: Mapping[str, int]
    """Reasons why rated or imported answers are not imitated, and pairs not compared, counted."""
    unanswered: tuple[Unanswered, ...] = ()
    why_not: Mapping[str, str] = field(default_factory=dict)
    """Why an answer is not imitated, by its id."""


def select_rows(
    snapshot: Snapshot,
    *,
    system_prompt: str,
    agreeing_persons: int = 0,
    half_life_days: float = 0.0,
    with_unanswered: bool = False,
) -> Selection:
    """Every row that the snapshot holds, oldest conversation first."""
    words = judge_answers(snapshot, agreeing_persons=agreeing_persons)
    judged = weigh_words(words, taken_at=snapshot.taken_at, half_life_days=half_life_days)
    compared = by_conversation(snapshot.preferences)
    tree_of = partial(_Tree, seen_together=snapshot.seen_together, system_prompt=system_prompt)
    trees = [tree_of(name, snapshot.messages.get(name, ()), judged, compared.get(name, ())) for name in snapshot.talks]
    not_imitated = {name: a.reason for tree in trees for name, a in tree.judged.items() if a.reason}
    left_out = Counter(not_imitated.values())
    lessons = [lesson for tree in trees for lesson in tree.lessons()]
    sound = tuple(lesson for lesson in lessons if alternates(lesson.messages))
    left_out["roles do not alternate"] = len(lessons) - len(sound)
    pairs = [pair for tree in trees for pair in tree.pairs() if alternates(pair.prompt)]
    why_not = settle([_preference(pair) for pair in pairs])
    left_out.update(filter(None, why_not))
    unanswered = [asked for tree in trees for asked in tree.unanswered()] if with_unanswered else []
    return Selection(
        lessons=sound,
        pairs=tuple(pair for pair, why in zip(pairs, why_not, strict=True) if not why),
        rated=tuple(rated for tree in trees for rated in tree.rated() if alternates(rated.prompt)),
        left_out=+left_out,
        unanswered=tuple(asked for asked in unanswered if alternates(asked.prompt)),
        why_not=not_imitated,
    )


def _preference(pair: Pair) -> Preference:
    return Preference(place_at_end(pair.prompt), pair.chosen, pair.rejected, pair.word.rank)


class _Tree:
    """One conversation: who answered whom, and which of its answers are targets."""

    def __init__(
        self,
        conversation_id: str,
        messages: Sequence[Said],
        judged: Mapping[str, Judged],
        compared: Sequence[Preferred],
        *,
        seen_together: Collection[frozenset[str]],
        system_prompt: str,
    ) -> None:
        self._conversation_id = conversation_id
        self._compared = compared
        self._seen_together = seen_together
        self._system_prompt = system_prompt
        self._messages = {m.message_id: m for m in messages}
        self._parents = {m.parent_id for m in messages}
        self.judged = {name: judged[name] for name in self._messages if name in judged}

    def lessons(self) -> Iterator[Lesson]:
        """Each target is weighted in exactly one row; a row is as long as it can be.

        An edited answer ends its row, since what follows it in the record answers the original. What people agreed on
        is alone in its row, since it may be kept from the exam without the rest.
        """
        targets = [judged for judged in self.judged.values() if judged.target is not None]
        depth = {judged.said.message_id: len(self._path(judged.said)) for judged in targets}
        covered: set[str] = set()
        for end in sorted(targets, key=lambda judged: -depth[judged.said.message_id]):
            if end.said.message_id in covered:
                continue
            path = self._path(end.said)
            before = [] if end.word is Word.AGREED else path[:-1]
            taught = [self.judged[m.message_id] for m in before if m.role == "assistant" and self._is_open(m, covered)]
            taught.append(end)
            covered.update(judged.said.message_id for judged in taught)
            weight = round(sum(judged.weight for judged in taught) / len(taught), DIGITS)
            yield Lesson(self._conversation_id, self._chat(path, taught=taught), _merge(path, taught), weight)

    def pairs(self) -> Iterator[Pair]:
        """What was put in an answer's place before it; and a liked answer before its siblings that were disliked, or
        that were asked for anew until it came. Without a vote none of several siblings is the better one."""
        for judged in self.judged.values():
            if judged.is_edited and judged.target and judged.said.content.strip():
                yield self._pair(judged, chosen=judged.target, rejected=judged.said.content, because=[judged])
        for answers in self._answers_by_question():
            liked = [a for a in answers if a.is_good and a.target is not None and not a.is_edited]
            for better in liked:
                for worse in answers:
                    if worse.said.content.strip() and (worse.is_good is False or self._is_discarded(worse, better)):
                        yield self._pair(
                            better,
                            chosen=better.said.content,
                            rejected=worse.said.content,
                            because=[better, worse],
                        )
        yield from self._compared_pairs()

    def _compared_pairs(self) -> Iterator[Pair]:
        """What people found better of two that they saw, but for what an operator or more people say otherwise."""
        for preferred in self._compared:
            better, worse = (self.judged.get(name) for name in (preferred.better_id, preferred.worse_id))
            if better and worse and may_be_compared(better, worse):
                pair = self._pair(
                    better, chosen=better.said.content, rejected=worse.said.content, because=[better, worse]
                )
                votes = (*pair.lineage.votes, VoteRef(preferred.better_id, preferred.voter))
                lineage = pair.lineage._replace(votes=tuple(sorted(set(votes))), is_let_in=False)
                yield replace(pair, lineage=lineage, word=Word.COMPARED)

    def rated(self) -> Iterator[Rated]:
        for judged in self.judged.values():
            if judged.is_voted and judged.is_good is not None and judged.said.content.strip():
                path = self._path(judged.said)
                prompt, lineage = self._prompt(path), _merge(path, [judged])
                answer = judged.said.content
                yield Rated(self._conversation_id, prompt, answer, judged.is_good, lineage, judged.weight)

    def unanswered(self) -> Iterator[Unanswered]:
        for answers in self._answers_by_question():
            if lack := find_lack(answers):
                path = self._path(answers[-1].said)
                # Whoever turned an answer down let nothing in.
                lineage = _merge(path, answers)._replace(is_let_in=False)
                answer = answers[-1].said.content
                yield Unanswered(self._conversation_id, self._prompt(path), answer, lack, lineage)

    def _pair(self, better: Judged, *, chosen: str, rejected: str, because: Sequence[Judged]) -> Pair:
        path = self._path(better.said)
        weight = min(judged.weight for judged in because)
        lineage = _merge(path, because)
        return Pair(self._conversation_id, self._prompt(path), chosen, rejected, lineage, better.word, weight)

    def _is_discarded(self, answer: Judged, kept: Judged) -> bool:
        """Whether somebody asked for another answer than this one, until `kept` came, and never went on from it. Of two
        that were put before them to compare, their word on both says all."""
        said, order = answer.said, list(self._messages)
        return (
            answer.word is Word.NONE
            and not answer.opinions
            and not answer.reviews
            and said.source not in BORROWED
            and said.finish in WHOLE
            and said.message_id not in self._parents
            and frozenset((said.message_id, kept.said.message_id)) not in self._seen_together
            and order.index(said.message_id) < order.index(kept.said.message_id)
        )

    def _answers_by_question(self) -> Iterator[list[Judged]]:
        answers: dict[str, list[Judged]] = {}
        for judged in self.judged.values():
            if judged.said.parent_id is not None:
                answers.setdefault(judged.said.parent_id, []).append(judged)
        yield from answers.values()

    def _is_open(self, message: Said, covered: set[str]) -> bool:
        judged = self.judged[message.message_id]
        return judged.target is not None and not judged.is_edited and message.message_id not in covered

    def _path(self, message: Said) -> list[Said]:
        path = [message]
        while path[-1].parent_id is not None and path[-1].parent_id in self._messages:
            path.append(self._messages[path[-1].parent_id])
        return path[::-1]

    def _prompt(self, path: Sequence[Said]) -> tuple[ChatMessage, ...]:
        """What stands before the last message of `path`."""
        return self._chat(path)[:-1]

    def _chat(self, path: Sequence[Said], *, taught: Sequence[Judged] = ()) -> tuple[ChatMessage, ...]:
        """The chat as the engine sees it: what a caller said as "system" stands behind the bot's own prompt."""
        extra = [m.content for m in path if m.role == "system" and m.content.strip() != self._system_prompt.strip()]
        chat = [ChatMessage(role="system", content="\n\n".join([self._system_prompt, *extra]))]
        lessons = {judged.said.message_id: judged for judged in taught}
        for message in heard(path):
            if message.role == "assistant":
                chat.append(_answer(message, lessons.get(message.message_id)))
            else:
                chat.append(ChatMessage(role=message.role, content=message.content))
        return tuple(chat)


def _answer(message: Said, lesson: Judged | None) -> ChatMessage:
    if lesson is None or lesson.target is None:
        return ChatMessage(role="assistant", content=message.content, weight=0)
    return ChatMessage(role="assistant", content=lesson.target, origin=lesson.word.value)


def _merge(path: Sequence[Said], because: Sequence[Judged]) -> Lineage:
    messages = [*(m.message_id for m in path), *(judged.said.message_id for judged in because)]
    return Lineage(
        tuple(dict.fromkeys(messages)),
        tuple(sorted({vote for judged in because for vote in judged.votes})),
        tuple(sorted({review for judged in because for review in judged.reviews})),
        all(judged.is_let_in for judged in because),
    )
