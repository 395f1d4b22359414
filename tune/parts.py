"""Put the selected rows on their sides, as parts of a dataset: each once, bounded by person, and the excess counted.

Near-duplicates are grouped and conversations split here, by what `tune.duplicates` and `tune.split` say. Does not know
files, nor how a row was selected.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final, Literal

from tune.asked import choose_questions
from tune.bounds import Bounds, bound_exam, bound_training
from tune.card import Counts
from tune.duplicates import Spoken, group_duplicates
from tune.rows import Kind, Named, Row, name_row
from tune.select import Lesson, Pair, Rated, Selection, Unanswered
from tune.snapshot import Snapshot, Talk
from tune.split import Side
from tune.words import Word

KINDS: Final[tuple[Kind, ...]] = ("sft", "pairs", "votes")
SIDES: Final = (Side.TRAIN, Side.HELD_OUT)
Split = Callable[[Mapping[str, str]], Mapping[str, Side]]
"""A side for every conversation of the near-duplicates' groups."""


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

    def of_side(self, side: Side) -> tuple[Named, ...]:
        rows = tuple(named for kind in KINDS for named in self.rows[kind, side])
        return (*rows, *self.questions) if side is Side.TRAIN else rows

    def decided(self) -> Iterator[tuple[str, Literal["train", "held-out"]]]:
        """Each conversation that stands on a side; of a dialogue over the API each of its calls."""
        for name, side in self.sides.items():
            for conversation_id in self.talks[name].calls or (name,):
                if side is not Side.NEITHER:
                    yield conversation_id, "train" if side is Side.TRAIN else "held-out"


def part_rows(selection: Selection, snapshot: Snapshot, bounds: Bounds, *, split: Split, questions: int = 0) -> Parts:
    """The selection of a snapshot on its sides, with at most so many `questions` that nobody answered well."""
    groups = group_duplicates(_spoken(selection, snapshot.talks))
    sides = split(groups)
    owners = {name: talk.owner for name, talk in snapshot.talks.items()}
    trained = partial(bound_training, owners=owners, share=bounds.train_share)
    examined = partial(bound_exam, owners=owners, share=bounds.exam_share)
    lessons = selection.lessons
    train, held_out = _on(Side.TRAIN, lessons, sides), _on(Side.HELD_OUT, lessons, sides)
    taught = trained(train)
    may_be_asked = [named for named in held_out if not _is_agreed(named)]
    asked = examined(may_be_asked)
    neither = sum(sides[lesson.conversation_id] is Side.NEITHER for lesson in lessons)
    left_out = Counter(selection.left_out)
    left_out["near-duplicate of the other side"] = neither
    left_out["exact duplicate"] = len(lessons) - neither - len(train) - len(held_out)
    left_out["agreed on by persons, which is for training only"] = len(held_out) - len(may_be_asked)
    left_out["beyond one person's share of training"] = taught.left_out
    left_out["beyond one person's share of the exam"] = asked.left_out
    return Parts(
        rows={
            ("sft", Side.TRAIN): taught.rows,
            ("sft", Side.HELD_OUT): asked.rows,
            ("pairs", Side.TRAIN): trained(_on(Side.TRAIN, selection.pairs, sides)).rows,
            ("pairs", Side.HELD_OUT): examined(_on(Side.HELD_OUT, selection.pairs, sides)).rows,
            ("votes", Side.TRAIN): trained(_on(Side.TRAIN, selection.rated, sides)).rows,
            ("votes", Side.HELD_OUT): examined(_on(Side.HELD_OUT, selection.rated, sides)).rows,
        },
        groups=groups,
        sides=sides,
        talks=snapshot.talks,
        left_out=+left_out,
        most_of_one_person=(taught.largest, asked.largest),
        questions=trained(
            choose_questions(_on(Side.TRAIN, selection.unanswered, sides), lessons, groups=groups, talks=snapshot.talks)
        ).rows[:questions],
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
        questions=Counter(named.row.lack.value for named in parts.questions if isinstance(named.row, Unanswered)),
    )


def _conversations(rows: Iterable[Named]) -> int:
    return len({named.row.conversation_id for named in rows})


def _on(side: Side, rows: Iterable[Row], sides: Mapping[str, Side]) -> tuple[Named, ...]:
    named = [name_row(row) for row in rows if sides[row.conversation_id] is side]
    # Equal content is kept once, in its oldest conversation.
    return tuple({n.item_id: n for n in reversed(named)}.values())[::-1]


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
