"""Whose word counts for an answer, and which text it lets into training: said once, as a kind, and never guessed later.

An operator's ruling, a correction or an ideal answer that was taken up, is final for the text that was ruled on,
wherever the same question and answer stand; of two the newer one counts. Then comes what an import brought, then what
enough people wrote alike (where a bot's file lets them), then what more people liked than not, here and wherever else
it was said. One person's ideal answer teaches nothing: it waits for an operator. Does not know rows, prompts or the
split.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final, NamedTuple, Self

from nightschool.independent import Voice, count_independent, is_known
from nightschool.text import fold, gist, is_same
from tune.places import Place, place_of
from tune.snapshot import Opinion, Ruling, Said, Snapshot
from tune.tally import Tally, net_of

WHOLE: Final = frozenset({None, "stop"})
"""How an answer ends that may be imitated: one cut off in mid-sentence would teach to stop there."""
BORROWED: Final = frozenset({"client", "verified"})
"""Sources of answers that no engine of ours made: sent along by a caller, or an operator's words, served anew."""


class Word(StrEnum):
    """What decided over an answer. The first five let a text in and are its `origin` in the rows."""

    CORRECTED = "correction"
    APPROVED = "approval"
    IMPORTED = "import"
    AGREED = "agreement"
    """Enough people wrote the same in its place. For training only, never for examination."""
    LIKED = "like"
    REFUSED = "refused"
    COMPARED = "comparison"
    """Of pairs alone: somebody saw both answers and said which is better."""
    NONE = "none"

    @property
    def is_operators(self) -> bool:
        """An operator wrote the text, let it in or brought it."""
        return self in {Word.CORRECTED, Word.APPROVED, Word.IMPORTED}

    @property
    def rank(self) -> int:
        """Where two words contradict each other the higher one stands. Who saw both answers said more than a thumb."""
        if self.is_operators:
            return 4
        return {Word.AGREED: 3, Word.COMPARED: 2}.get(self, 1)


class VoteRef(NamedTuple):
    message_id: str
    voter: str


@dataclass(frozen=True, slots=True)
class Judged:
    """An answer and what was decided over it."""

    said: Said
    word: Word
    target: str | None
    """What is to be said in its place; None where nothing is."""
    is_good: bool | None
    """Whether the text as it was said is worth preferring; None where nobody could say."""
    is_voted: bool
    """Whether people's votes say what `is_good` says: a vote against a ruling is none to learn from."""
    opinions: tuple[Opinion, ...]
    """Votes on it, and what agreeing people wrote elsewhere."""
    reviews: tuple[str, ...]
    """Ids of the answers whose review was used."""
    reason: str = ""
    """Why it is not imitated, where somebody might have expected it."""
    weight: float = 1.0
    """0..1: how much it counts (`tune.weigh`)."""

    @property
    def is_let_in(self) -> bool:
        """Whether an operator ruled on this very answer, or brought it; not only on one that says the same."""
        return self.word is Word.IMPORTED or self.said.message_id in self.reviews

    @property
    def is_edited(self) -> bool:
        return self.target is not None and not is_same(self.target, self.said.content)

    @property
    def votes(self) -> tuple[VoteRef, ...]:
        return tuple(dict.fromkeys(VoteRef(o.message_id, o.voter) for o in self.opinions))

    def without_effect(self, reason: str) -> Self:
        """Neither imitated nor preferred to anything, nor the reverse."""
        return replace(self, word=Word.NONE, target=None, is_good=None, is_voted=False, reason=reason)


class _Ruled(NamedTuple):
    word: Word
    text: str
    reviews: tuple[str, ...]
    reason: str = ""


def judge_answers(snapshot: Snapshot, *, agreeing_persons: int = 0) -> dict[str, Judged]:
    """Every answer of the snapshot by its id. `agreeing_persons` below 2 has nobody's suggestion in unreviewed."""
    answers, places = _answers(snapshot)
    sources = _Sources(
        _Rulings(snapshot.rulings, answers, places),
        _Agreement(snapshot, places, persons=agreeing_persons),
        Tally(snapshot, answers, places),
    )
    return {
        name: _judge(said, places[name], snapshot.opinions.get(name, ()), sources) for name, said in answers.items()
    }


def _answers(snapshot: Snapshot) -> tuple[dict[str, Said], dict[str, Place]]:
    answers: dict[str, Said] = {}
    places: dict[str, Place] = {}
    for messages in snapshot.messages.values():
        by_id = {message.message_id: message for message in messages}
        for message in messages:
            if message.role == "assistant":
                answers[message.message_id] = message
                places[message.message_id] = place_of(message, by_id)
    return answers, places


class _Rulings:
    """What operators ruled, by the text that they ruled on."""

    def __init__(self, rulings: Mapping[str, Ruling], answers: Mapping[str, Said], places: Mapping[str, Place]) -> None:
        self._words: dict[tuple[str, str], _Ruled] = {}
        corrected: dict[Place, str] = {}
        for name, ruling in sorted(rulings.items(), key=lambda item: (item[1].reviewed_at, item[0])):
            if name in answers:
                said, place = answers[name], places[name]
                ruled = _ruled(ruling, said)
                self._words[place.question, fold(said.content)] = ruled
                if ruled.word is Word.CORRECTED:
                    # The text that is right now is so wherever it was said before.
                    self._words[place.question, fold(ruled.text)] = ruled
                    corrected[place] = ruled.text
        self.corrected = frozenset(
            place for place, text in corrected.items() if (found := self.find(place, text)) and found.text
        )
        """Where a correction stands: other answers to that question are not learnt because somebody likes them."""

    def find(self, place: Place, content: str) -> _Ruled | None:
        """The ruling on this answer to this question, wherever it was given. A corrected text may be corrected again:
        each step leads to a newer ruling, so there is an end."""
        text = fold(content)
        reviews: tuple[str, ...] = ()
        ruled = self._words.get((place.question, text))
        while ruled is not None:
            reviews = (*reviews, *(name for name in ruled.reviews if name not in reviews))
            if ruled.word is not Word.CORRECTED or fold(ruled.text) == text:
                return ruled._replace(reviews=reviews)
            text = fold(ruled.text)
            ruled = self._words[place.question, text]
        return None

    def is_refused(self, place: Place, content: str) -> bool:
        ruled = self.find(place, content)
        return ruled is not None and not ruled.text


def _ruled(ruling: Ruling, said: Said) -> _Ruled:
    reviews = (said.message_id,)
    if ruling.corrected_answer and not is_same(ruling.corrected_answer, said.content):
        return _Ruled(Word.CORRECTED, ruling.corrected_answer, reviews)
    if not ruling.is_approved:
        return _Ruled(Word.REFUSED, "", reviews, "turned down by an operator")
    if said.finish not in WHOLE or not said.content.strip():
        return _Ruled(Word.REFUSED, "", reviews, "approved, but cut off")
    return _Ruled(Word.APPROVED, ruling.corrected_answer or said.content, reviews)


class _Agreement:
    """Which suggestions enough people wrote alike for one question; with fewer than 2 `persons` none is."""

    def __init__(self, snapshot: Snapshot, places: Mapping[str, Place], *, persons: int) -> None:
        self._persons = persons
        self._known_since = snapshot.known_since
        self._places = places
        self._said: dict[Place, dict[str, dict[str, Opinion]]] = {}
        for name, opinions in snapshot.opinions.items() if persons > 1 else ():
            for opinion in opinions if name in places else ():
                if opinion.ideal_answer:
                    texts = self._said.setdefault(places[name], {})
                    texts.setdefault(gist(opinion.ideal_answer), {})[opinion.voter] = opinion

    def find(self, opinions: Sequence[Opinion]) -> list[Opinion]:
        """The voices for a suggestion made here that enough people share, the one whose words count last."""
        for opinion in reversed(opinions):
            if opinion.ideal_answer:
                voices = self._shared(self._places[opinion.message_id]).get(gist(opinion.ideal_answer))
                if voices:
                    return sorted(voices.values(), key=lambda voice: (voice.voted_at, voice.voter))
        return []

    def contradicts(self, place: Place, content: str) -> bool:
        """Whether enough people wrote another answer to this question, and not this one."""
        shared = self._shared(place)
        return bool(shared) and gist(content) not in shared

    def _shared(self, place: Place) -> dict[str, dict[str, Opinion]]:
        return {
            text: voices
            for text, voices in self._said.get(place, {}).items()
            if count_independent(map(self._voice, voices.values())) >= self._persons
        }

    def _voice(self, opinion: Opinion) -> Voice:
        since = self._known_since.get(opinion.voter)
        is_old = opinion.is_released or is_known(since=since, at=opinion.voted_at)
        return Voice(opinion.voter, opinion.address, is_old)


class _Sources(NamedTuple):
    """What speaks about an answer beside the votes on it, the higher word first."""

    rulings: _Rulings
    agreed: _Agreement
    tally: Tally


def _judge(said: Said, place: Place, opinions: Sequence[Opinion], sources: _Sources) -> Judged:
    rulings, agreed, tally = sources
    net = net_of(opinions)
    judged = _Judgement(said, opinions, is_contradicted=tally.is_contradicted(place, said, net=net))
    ruled = rulings.find(place, said.content)
    # What an API's caller sent along, or an operator had let in before, was not made by us: it is context, and votes on
    # it teach nothing, unless an operator ruled on that very message.
    if said.source in BORROWED and (ruled is None or said.message_id not in ruled.reviews):
        return judged.by(Word.NONE).without_effect("")
    if ruled is not None:
        return judged.by_ruling(ruled)
    voices = agreed.find(judged.proposals) if place not in rulings.corrected else []
    if voices and not rulings.is_refused(place, voices[-1].ideal_answer):
        return judged.by(Word.AGREED, voices[-1].ideal_answer, voices=voices)
    if judged.net > 0 and not judged.is_imported:
        if place in rulings.corrected:
            return judged.by(Word.NONE).without_effect("liked, but an operator's correction says otherwise")
        if agreed.contradicts(place, said.content):
            return judged.by(Word.NONE).without_effect("liked, but more people wrote another answer")
    return judged.by_votes()


class _Judgement:
    """What is known of one answer before anything is decided."""

    def __init__(self, said: Said, opinions: Sequence[Opinion], *, is_contradicted: bool) -> None:
        self._said = said
        self._opinions = opinions
        self._is_contradicted = is_contradicted
        self.net = 0 if is_contradicted else net_of(opinions)
        self.is_imported = said.source == "import" and said.weight != 0
        self.proposals = [o for o in opinions if o.ideal_answer and not is_same(o.ideal_answer, said.content)]

    def by(self, word: Word, target: str | None = None, *, reason: str = "", voices: Sequence[Opinion] = ()) -> Judged:
        is_good = None if self.net == 0 else self.net > 0
        return Judged(self._said, word, target, is_good, self.net != 0, (*self._opinions, *voices), (), reason)

    def by_ruling(self, ruled: _Ruled) -> Judged:
        is_good = bool(ruled.text) and is_same(ruled.text, self._said.content)
        is_expected = bool(self._opinions) or self.is_imported or self._said.message_id in ruled.reviews
        return replace(
            self.by(ruled.word, ruled.text or None, reason=ruled.reason if is_expected else ""),
            is_good=is_good,
            is_voted=self.net != 0 and (self.net > 0) == is_good,
            reviews=ruled.reviews,
        )

    def by_votes(self) -> Judged:
        if not self._said.content.strip():
            return self._stopped("empty" if self._opinions else "")
        if self.net < 0:
            return self._stopped("voted down")
        if self.is_imported:
            return self.by(Word.IMPORTED, self._said.content)
        if self.net == 0:
            return self._stopped(self._cancelled())
        if self._said.finish not in WHOLE:
            return self._stopped("voted up, but cut off")
        return self.by(Word.LIKED, self._said.content)

    def _cancelled(self) -> str:
        if self._is_contradicted:
            return "liked here, disliked there"
        return "votes cancel out" if self._opinions else ""

    def _stopped(self, reason: str) -> Judged:
        return self.by(Word.NONE, reason="suggestion waits for an operator" if self.proposals else reason)
