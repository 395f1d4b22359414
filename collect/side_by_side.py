"""Which questions were answered twice at once, by production and by another version, and what people said of the two.

What they said stands beside all other comparisons (`collect.preferences`), production's answer as the older one of the
two. Does not know who is asked, nor how the two are shown.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from collect.chat_settings import PRIVATE
from collect.store import Cursor
from nightschool.records import BotName, Choice, Message

ADD: Final = """
insert into side_by_side (conversation_id, bot, usual_id, other_id, asked_at)
values ($conversation_id, $bot, $usual_id, $other_id, $asked_at)
"""
DUELS: Final = """
with said as (
    select older_id, newer_id, arg_max(choice, chosen_at) as choice, arg_max(is_older_left, chosen_at) as is_usual_left
    from preferences where conversation_id = $conversation_id group by older_id, newer_id
)
select s.usual_id, s.other_id, said.choice, coalesce(said.is_usual_left, false)
from side_by_side as s left join said on said.older_id = s.usual_id and said.newer_id = s.other_id
where s.conversation_id = $conversation_id order by s.asked_at, s.usual_id
"""
STANDING: Final = f"""
with said as (select message_id, parent_id, role, position from messages where conversation_id = $conversation_id),
newest as (select message_id from said where role = 'user' order by position desc limit 1),
answers as (select other_id from side_by_side where conversation_id = $conversation_id)
select (select count(*) from said where role = 'user'),
    exists (select 1 from said join newest on said.parent_id = newest.message_id
        where said.message_id in (select other_id from answers)),
    $conversation_id in ({PRIVATE})
"""
# By person, since what one of them says resembles itself.
TALLIES: Final = """
with newest as (
    select older_id, newer_id, voter, arg_max(choice, chosen_at) as choice,
        arg_max(is_older_left, chosen_at) as is_usual_left
    from preferences where bot = $bot group by older_id, newer_id, voter
)
select usual.version, other.version, newest.voter, count(distinct s.usual_id),
    count(*) filter (choice in ('left', 'right') and (choice = 'left') = is_usual_left),
    count(*) filter (choice in ('left', 'right') and (choice = 'left') <> is_usual_left),
    count(*) filter (choice = 'same'), count(*) filter (choice = 'both-bad')
from side_by_side as s
join messages as usual on usual.message_id = s.usual_id
join messages as other on other.message_id = s.other_id
left join newest on newest.older_id = s.usual_id and newest.newer_id = s.other_id
where s.bot = $bot
group by usual.version, other.version, newest.voter
order by usual.version desc nulls last, other.version desc nulls last, newest.voter nulls last
"""


@dataclass(frozen=True, slots=True)
class Duel:
    """Two answers to one question that were given at once, and the newest word on them."""

    usual_id: str
    """Production's."""
    other_id: str
    choice: Choice | None = None
    is_usual_left: bool = False
    """As the two stood for whoever chose."""

    @property
    def passed_over_id(self) -> str:
        """With which the talk does not go on: the other one's, unless it was found better."""
        won = {Choice.LEFT: not self.is_usual_left, Choice.RIGHT: self.is_usual_left}
        return self.usual_id if self.choice and won.get(self.choice) else self.other_id


class TalkStanding(NamedTuple):
    """What a conversation says of whether its next question may be answered twice."""

    questions: int
    """In all of its branches."""
    was_last: bool
    """The newest of them was answered twice."""
    is_private: bool
    """Its person wants nothing learnt from it."""


class Tally(NamedTuple):
    """What one person said of two versions that answered the same questions; without a voter: nobody said anything."""

    usual: int | None
    """The version that was production; None is the base model."""
    other: int | None
    voter: str | None
    asked: int
    usual_won: int
    other_won: int
    same: int
    both_bad: int


def keep_duel(cursor: Cursor, *, answer: Message, usual_id: str) -> None:
    """To be called once, with the other one's `answer`."""
    given = {"usual_id": usual_id, "other_id": answer.message_id, "asked_at": answer.created_at}
    cursor.execute(ADD, given | {"conversation_id": answer.conversation_id, "bot": answer.bot})


def duels_in(cursor: Cursor, *, conversation_id: str) -> list[Duel]:
    """Of one conversation, oldest first."""
    rows = cursor.execute(DUELS, {"conversation_id": conversation_id}).fetchall()
    return [Duel(usual, other, Choice(choice) if choice else None, is_left) for usual, other, choice, is_left in rows]


def standing_of(cursor: Cursor, *, conversation_id: str) -> TalkStanding:
    [row] = cursor.execute(STANDING, {"conversation_id": conversation_id}).fetchall()
    return TalkStanding(*row)


def tally_duels(cursor: Cursor, *, bot: BotName) -> Sequence[Tally]:
    """By the two versions, newest production first, and by person."""
    return [Tally(*row) for row in cursor.execute(TALLIES, {"bot": bot}).fetchall()]
