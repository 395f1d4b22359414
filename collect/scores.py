"""Scores under names of the callers' own, of an answer or of a whole conversation: a yes or no, a number, a category.

Only ever added to: a voter's newest word on one thing under one name stands, and those before it are its history. The
same again changes nothing. Within a bot a name is of one kind, that which it was first given. Scores are signals: none
of them stands in a snapshot, so no night learns one. Does not know which scores a bot's file declares, nor what is made
of them (`serve.scoring`, `collect.score_figures`).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

from collect.lookup import find_rows
from collect.store import Cursor
from nightschool.errors import InvalidInput, NightschoolError, NotFound
from nightschool.records import BotName
from nightschool.scores import ScoreKind, ScoreValue, kind_of

TICK: Final = timedelta(microseconds=1)
TAKEN_BACK: Final = "none"
MAX_NAMES: Final = 200
"""Of a bot: a name is a measure, and no place for what differs from answer to answer."""
# The newest are picked here: asked of DuckDB, that takes three times as long.
SAID: Final = """
select conversation_id, message_id, bot, voter, name, kind, number, category, said_at
from scores where conversation_id in ({names})
"""
BOTS: Final = "select conversation_id, bot from conversations where conversation_id in ({names})"
TALK_OF: Final = "select conversation_id from messages where message_id = $message_id"
KNOWN_KINDS: Final = "select bot, name, kind from score_kinds where bot in (select unnest($bots::text[]))"
ADD: Final = """
insert into scores (conversation_id, message_id, bot, voter, name, kind, number, category, said_at)
select unnest($conversation_id::text[]), unnest($message_id::text[]), unnest($bot::text[]), unnest($voter::text[]),
    unnest($name::text[]), unnest($kind::text[]), unnest($number::double[]), unnest($category::text[]),
    unnest($said_at::timestamptz[])
"""
KINDS: Final = """
insert into score_kinds (bot, name, kind)
select unnest($bot::text[]), unnest($name::text[]), unnest($kind::text[])
"""
ADD_KINDS: Final = f"{KINDS} on conflict (bot, name) do update set kind = excluded.kind"
BRING_KINDS: Final = f"{KINDS} on conflict (bot, name) do nothing"
UNUSED_KINDS: Final = "(bot, name) not in (select bot, name from scores)"
"""Of `score_kinds`: names that nothing is scored by any more."""


@dataclass(frozen=True, slots=True)
class Score:
    """One voter's newest word under one name."""

    conversation_id: str
    message_id: str | None
    """None: of the conversation as a whole."""
    bot: BotName
    voter: str
    name: str
    value: ScoreValue | None
    """None: it was taken back."""
    said_at: datetime


@dataclass(frozen=True, slots=True)
class Scored:
    """What somebody says of one thing now, by name; None takes a score back."""

    conversation_id: str
    message_id: str | None
    voter: str
    values: Mapping[str, ScoreValue | None]
    at: datetime
    declared: frozenset[str] = frozenset()
    """Names whose kind the bot's file says."""


class ScoreKey(NamedTuple):
    conversation_id: str
    message_id: str | None
    voter: str
    name: str


class ScoreBook:
    """The scores of some conversations within one transaction: what is heard is kept by `keep`."""

    def __init__(self, cursor: Cursor, said: Iterable[Scored]) -> None:
        self._cursor = cursor
        names = list({one.conversation_id for one in said})
        self._bots = {name: BotName(bot) for name, bot in find_rows(cursor, BOTS, names)} if names else {}
        self._standing = find_scores(cursor, names)
        bots = sorted(set(self._bots.values()))
        known = cursor.execute(KNOWN_KINDS, {"bots": bots}).fetchall() if bots else []
        self._kinds = {(BotName(bot), name): ScoreKind(kind) for bot, name, kind in known}
        self._new: list[Score] = []
        self._new_kinds: dict[tuple[BotName, str], ScoreKind] = {}

    def hear(self, said: Scored) -> bool:
        """Whether any of it is new. Raises NotFound and InvalidInput, and has heard nothing of it then."""
        bot = self._bots.get(said.conversation_id)
        if bot is None:
            raise NotFound("is not in the record", subject=repr(said.conversation_id), remedy="It may be erased.")
        kinds = self._checked(bot, said)
        heard = len(self._new)
        for name, value in said.values.items():
            key = ScoreKey(said.conversation_id, said.message_id, said.voter, name)
            before = self._standing.get(key)
            stood = before.value if before else None
            # True equals 1.0, and is another kind.
            if stood == value and type(stood) is type(value):
                continue
            # The order in which they come is the order that counts, also where the clock was set back in between.
            at = max(said.at, before.said_at + TICK) if before else said.at
            score = Score(said.conversation_id, said.message_id, bot, said.voter, name, value, at)
            self._standing[key] = score
            self._new.append(score)
        for name, kind in kinds.items():
            if self._kinds.get((bot, name)) is not kind:
                self._kinds[bot, name] = self._new_kinds[bot, name] = kind
        return len(self._new) > heard

    def keep(self) -> None:
        add_scores(self._cursor, self._new)
        if self._new_kinds:
            rows = [(bot, name, kind.value) for (bot, name), kind in self._new_kinds.items()]
            bots, names, kinds = zip(*rows, strict=True)
            self._cursor.execute(ADD_KINDS, {"bot": list(bots), "name": list(names), "kind": list(kinds)})

    def _checked(self, bot: BotName, said: Scored) -> dict[str, ScoreKind]:
        kinds = {name: kind_of(value) for name, value in said.values.items() if value is not None}
        for name, kind in kinds.items():
            known = self._kinds.get((bot, name))
            if name not in said.declared and known not in {None, kind}:
                raise InvalidInput(
                    f"is a {kind}, but was first given as a {known}",
                    subject=f"scores.{name}",
                    remedy=f"Send a {known}, take another name, or declare it in the bot's file (feedback.scores).",
                    param=f"scores.{name}",
                )
        used = sum(one == bot for one, _ in self._kinds)
        if used + sum((bot, name) not in self._kinds for name in kinds) > MAX_NAMES:
            raise InvalidInput(
                f"the bot has {used} names of scores already", subject="scores", remedy="Use those.", param="scores"
            )
        return kinds


def record_scores(cursor: Cursor, said: Sequence[Scored]) -> list[bool | NightschoolError]:
    """Keep them, in one transaction; of each, in their order, whether any of it is new. One that is refused changes
    nothing."""
    book = ScoreBook(cursor, said)
    outcomes: list[bool | NightschoolError] = []
    for one in said:
        try:
            outcomes.append(book.hear(one))
        except NightschoolError as refusal:
            outcomes.append(refusal)
    book.keep()
    return outcomes


def bring_scores(cursor: Cursor, scores: Sequence[Score]) -> None:
    """Keep what a file holds, behind what is there. Names that the bot has stay of their kind."""
    add_scores(cursor, scores)
    kinds = {(score.bot, score.name): kind_of(score.value).value for score in scores if score.value is not None}
    if kinds:
        bots, names = ([key[place] for key in kinds] for place in (0, 1))
        cursor.execute(BRING_KINDS, {"bot": bots, "name": names, "kind": list(kinds.values())})


def add_scores(cursor: Cursor, scores: Sequence[Score]) -> None:
    """As they are, behind what is there."""
    if not scores:
        return
    columns: dict[str, list[Any]] = {
        name: [getattr(score, name) for score in scores]
        for name in ("conversation_id", "message_id", "bot", "voter", "name", "said_at")
    }
    values = [score.value for score in scores]
    columns["kind"] = [TAKEN_BACK if value is None else kind_of(value).value for value in values]
    columns["number"] = [None if isinstance(value, str) or value is None else float(value) for value in values]
    columns["category"] = [value if isinstance(value, str) else None for value in values]
    cursor.execute(ADD, columns)


def find_scores(cursor: Cursor, conversation_ids: Sequence[str]) -> dict[ScoreKey, Score]:
    """The newest words, of what was taken back too."""
    found: dict[ScoreKey, Score] = {}
    for score in map(_read_score, find_rows(cursor, SAID, conversation_ids) if conversation_ids else []):
        key = key_of(score)
        if key not in found or found[key].said_at < score.said_at:
            found[key] = score
    return found


def scores_in(cursor: Cursor, *, conversation_id: str) -> list[Score]:
    """All that stand, of its answers and of itself, oldest first."""
    found = find_scores(cursor, [conversation_id]).values()
    return sorted((score for score in found if score.value is not None), key=lambda score: (score.said_at, score.name))


def scores_about(cursor: Cursor, *, message_id: str) -> list[Score]:
    """All that stand of an answer, and of its conversation as a whole."""
    talks = cursor.execute(TALK_OF, {"message_id": message_id}).fetchall()
    found = [score for (talk,) in talks for score in scores_in(cursor, conversation_id=talk)]
    return [score for score in found if score.message_id in {message_id, None}]


def scores_by(cursor: Cursor, *, conversation_id: str, message_id: str | None, voter: str) -> dict[str, Score]:
    """By name, those that one voter gave one answer or, without one, the conversation as a whole."""
    found = scores_in(cursor, conversation_id=conversation_id)
    return {score.name: score for score in found if (score.message_id, score.voter) == (message_id, voter)}


def _read_score(row: tuple[Any, ...]) -> Score:
    """Of the columns in the table's order."""
    value = read_value(*row[5:8])
    return Score(row[0], row[1], BotName(row[2]), row[3], row[4], value, row[8].astimezone(UTC))


def read_value(kind: str, number: float | None, category: str | None) -> ScoreValue | None:
    """None of what was taken back."""
    return {"boolean": number == 1, "number": number, "category": category}.get(kind)


def key_of(score: Score) -> ScoreKey:
    return ScoreKey(score.conversation_id, score.message_id, score.voter, score.name)
