"""Put the selected rows on their sides, as parts of a dataset: each once, bounded by person, and the excess counted.

Near-duplicates are grouped and conversations split here, by what `tune.duplicates` and `tune.split` say; of the rows to
train on none holds what is examined (`tune.decontaminate`). Does not know files, nor how a row was selected.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final, Literal

from tune.asked import choose_questions
from tune.balance import balance_topics
from tune.bounds import Bounded, Bounds, bound_exam, bound_training
from tune.card import Counts
from tune.decontaminate import Turn, asked_turns, find_leaks
from tune.duplicates import Spoken, group_duplicates
from tune.influence import limit_parts
from tune.rows import Kind, Named, Row, name_row
from tune.select import Lesson, Pair, Rated, Selection, Unanswered
from tune.snapshot import Snapshot, Talk
from tune.split import Side
from tune.weigh import DIGITS
from tune.words import Word

KINDS: Final[tuple[Kind, ...]] = ("sft", "pairs", "votes")
SIDES: Final = (Side.TRAIN, Side.HELD_OUT)
Split = Callable[[Mapping[str, str]], Mapping[str, Side]]
"""A side for every conversation of the near-duplicates' groups."""


class Loss(StrEnum):
    """Why a row is left out, in words for whoever voted."""

    EXAM = "it holds what an exam asks"
    AGREED = "what persons agree on is learnt, and never examined"
    TRAIN_SHARE = "it is beyond one person's share of training"
    EXAM_SHARE = "it is beyond one person's share of the exam"


@dataclass(frozen=True, slots=True)
class Parts:
    """What a dataset holds. Pairs and votes of the held-out side measure and are never trained on."""

    rows: Mapping[tuple[Kind, Side], tuple[Named, ...]]
    groups: Mapping[str, str]
    sides: Mapping[str, Side]
    talks: Mapping[str, Talk]
    left_out: Mapping[str, int]
    most_of_one_person: tuple[int, int]
    """Rows of training and of examination."""
    questions: tuple[Named, ...] = ()
    """Of the training side, without an answer."""
    lost: Mapping[Loss, tuple[Named, ...]] = field(default_factory=dict)
    """What was selected, stands on a side, and is in no row all the same."""
    influence: Mapping[str, float] = field(default_factory=dict)
    """Of the training rows of each kind the largest share of weight that one person, and one address, has."""

    def of_side(self, side: Side) -> tuple[Named, ...]:
        rows = tuple(named for kind in KINDS for named in self.rows[kind, side])
        return (*rows, *self.questions) if side is Side.TRAIN else rows

    def decided(self) -> Iterator[tuple[str, Literal["train", "held-out"]]]:
        """Each conversation that stands on a side; of a dialogue over the API each of its calls."""
        for name, side in self.sides.items():
            for conversation_id in self.talks[name].calls or (name,):
                if side is not Side.NEITHER:
                    yield conversation_id, "train" if side is Side.TRAIN else "held-out"


def part_rows(
    selection: Selection,
    snapshot: Snapshot,
    bounds: Bounds,
    *,
    split: Split,
    suites: Sequence[Turn] = (),
    topic_ratio: float = 1.0,
    questions: int = 0,
) -> Parts:
    """The selection of a snapshot on its sides, with at most so many `questions` that nobody answered well; what
    `suites` ask is as little trained on as what is held out."""
    groups = group_duplicates(_spoken(selection, snapshot.talks))
    sides = split(groups)
    owners = {name: talk.owner for name, talk in snapshot.talks.items()}
    train = {kind: _on(Side.TRAIN, rows, sides) for kind, rows in _by_kind(selection).items()}
    held_out = {kind: _on(Side.HELD_OUT, rows, sides) for kind, rows in _by_kind(selection).items()}
    may_be_asked = held_out | {"sft": tuple(named for named in held_out["sft"] if not _is_agreed(named))}
    asked = {kind: bound_exam(rows, owners=owners, share=bounds.exam_share) for kind, rows in may_be_asked.items()}
    unanswered = _on(Side.TRAIN, selection.unanswered if questions else (), sides)
    to_answer = choose_questions(unanswered, selection.lessons, groups=groups, talks=snapshot.talks)
    leaks = find_leaks(
        [named for rows in (*train.values(), to_answer) for named in rows],
        [*asked_turns(named.row.messages for named in asked["sft"].rows if isinstance(named.row, Lesson)), *suites],
    )

    def trained(rows: Iterable[Named]) -> Bounded:
        clean = [named for named in rows if named.item_id not in leaks]
        return bound_training(clean, owners=owners, share=bounds.train_share)

    taught = {kind: trained(rows) for kind, rows in train.items()}
    neither = sum(sides[lesson.conversation_id] is Side.NEITHER for lesson in selection.lessons)
    left_out = {
        "near-duplicate of the other side": neither,
        "exact duplicate": len(selection.lessons) - neither - len(train["sft"]) - len(held_out["sft"]),
        "agreed on by persons, which is for training only": len(held_out["sft"]) - len(may_be_asked["sft"]),
        "rows, pairs and votes that hold what an exam asks": len(leaks),
        "beyond one person's share of training": len(taught["sft"].left_out),
        "beyond one person's share of the exam": len(asked["sft"].left_out),
    }
    limited = limit_parts(_balance(taught, snapshot.talks, ratio=topic_ratio), snapshot, bounds)
    return Parts(
        rows={
            **{(kind, Side.TRAIN): rows for kind, rows in limited.rows.items()},
            **{(kind, Side.HELD_OUT): some.rows for kind, some in asked.items()},
        },
        influence=limited.influence,
        groups=groups,
        sides=sides,
        talks=snapshot.talks,
        left_out=Counter(selection.left_out) + Counter(left_out),
        most_of_one_person=(taught["sft"].largest, asked["sft"].largest),
        questions=trained(to_answer).rows[:questions],
        lost={
            Loss.EXAM: tuple(named for rows in train.values() for named in rows if named.item_id in leaks),
            Loss.AGREED: tuple(filter(_is_agreed, held_out["sft"])),
            Loss.TRAIN_SHARE: tuple(named for some in taught.values() for named in some.left_out),
            Loss.EXAM_SHARE: tuple(named for some in asked.values() for named in some.left_out),
        },
    )


def count_parts(parts: Parts) -> Counts:
    """For the card."""
    train, held_out = (parts.rows["sft", side] for side in SIDES)
    good = [isinstance(named.row, Rated) and named.row.is_good for named in parts.rows["votes", Side.TRAIN]]
    return Counts(
        train_rows=len(train),
        train_conversations=_conversations(train),
        train_answers=_answers(train),
        held_out_rows=len(held_out),
        held_out_conversations=_conversations(held_out),
        held_out_answers=_answers(held_out),
        pairs=len(parts.rows["pairs", Side.TRAIN]),
        held_out_pairs=len(parts.rows["pairs", Side.HELD_OUT]),
        votes_up=sum(good),
        votes_down=len(good) - sum(good),
        held_out_votes=len(parts.rows["votes", Side.HELD_OUT]),
        conversations=len(parts.groups),
        largest_group=max(Counter(parts.groups.values()).values(), default=0),
        left_out=parts.left_out,
        most_of_one_person=parts.most_of_one_person,
        influence=parts.influence,
        questions=Counter(named.row.lack.value for named in parts.questions if isinstance(named.row, Unanswered)),
    )


def _conversations(rows: Iterable[Named]) -> int:
    return len({named.row.conversation_id for named in rows})


def _on(side: Side, rows: Iterable[Row], sides: Mapping[str, Side]) -> tuple[Named, ...]:
    named = [name_row(row) for row in rows if sides[row.conversation_id] is side]
    # Equal content is kept once, in its oldest conversation.
    return tuple({n.item_id: n for n in reversed(named)}.values())[::-1]


def _by_kind(selection: Selection) -> dict[Kind, Sequence[Row]]:
    return {"sft": selection.lessons, "pairs": selection.pairs, "votes": selection.rated}


def _balance(
    taught: Mapping[Kind, Bounded], talks: Mapping[str, Talk], *, ratio: float
) -> dict[Kind, tuple[Named, ...]]:
    """The rows, those to imitate of rare topics with more weight where `ratio` is above 1."""
    rows = {kind: some.rows for kind, some in taught.items()}
    counts = Counter(topic for named in rows["sft"] if (topic := talks[named.row.conversation_id].topic))
    factors = balance_topics(counts, ratio=ratio) if ratio > 1 else {}

    def weighed(row: Row) -> Row:
        factor = factors.get(talks[row.conversation_id].topic or "", 1.0)
        return replace(row, weight=round(row.weight * factor, DIGITS))

    if factors:
        rows["sft"] = tuple(Named(named.item_id, weighed(named.row)) for named in rows["sft"])
    return rows


def _is_agreed(named: Named) -> bool:
    return isinstance(named.row, Lesson) and named.row.messages[-1].get("origin") == Word.AGREED


def _answers(rows: Iterable[Named]) -> int:
    lessons = [named.row for named in rows if isinstance(named.row, Lesson)]
    return sum(m["role"] == "assistant" and m.get("weight", 1) != 0 for lesson in lessons for m in lesson.messages)


def _spoken(selection: Selection, names: Iterable[str]) -> dict[str, Spoken]:
    """What each selected conversation says, in the order of `names`."""
    lines: dict[str, dict[tuple[str, str], None]] = {name: {} for name in names}
    rows: list[Row] = [*selection.lessons, *selection.pairs, *selection.rated, *selection.unanswered]
    for row in rows:
        said = row.messages if isinstance(row, Lesson) else row.prompt
        lines[row.conversation_id].update(((m["role"], m["content"]), None) for m in said if m["role"] != "system")
        if isinstance(row, Pair | Rated):
            lines[row.conversation_id]["assistant", row.chosen if isinstance(row, Pair) else row.answer] = None
    return {
        name: Spoken(
            questions=tuple(content for role, content in said if role == "user"),
            text="\n".join(content for _, content in said),
        )
        for name, said in lines.items()
        if said
    }
