import random
from datetime import UTC, datetime
from typing import Literal

import pytest

from tune.snapshot import Talk
from tune.split import Side, split_conversations

AT = datetime(2026, 1, 1, tzinfo=UTC)
TRAIN, HELD_OUT, NEITHER = Side.TRAIN, Side.HELD_OUT, Side.NEITHER


def talk(
    name: str,
    *,
    owner: str = "import",
    held_out: bool | None = None,
    side: Literal["train", "held-out"] | None = None,
) -> Talk:
    return Talk(name, owner, "import", AT, held_out, side=side)


def split(
    *talks: Talk,
    groups: dict[str, str] | None = None,
    share: float = 0.3,
    seed: int = 17,
    trained: frozenset[str] = frozenset(),
) -> dict[str, Side]:
    by_name = {t.conversation_id: t for t in talks}
    leaders = {name: name for name in by_name} | (groups or {})
    return split_conversations(by_name, leaders, held_out_share=share, seed=seed, trained_before=trained)


def test_an_imports_marks_are_kept() -> None:
    talks = [talk(f"t{n}", held_out=False) for n in range(20)] + [talk(f"h{n}", held_out=True) for n in range(20)]
    sides = split(*talks)
    assert {sides[f"t{n}"] for n in range(20)} == {TRAIN}
    assert {sides[f"h{n}"] for n in range(20)} == {HELD_OUT}


def test_a_training_row_that_repeats_a_held_out_one_is_left_out() -> None:
    sides = split(talk("t", held_out=False), talk("h", held_out=True), groups={"h": "t"})
    assert sides == {"t": NEITHER, "h": HELD_OUT}


def test_an_unmarked_duplicate_follows_the_marked_one() -> None:
    assert set(
        split(
            *[talk(f"c{n}") for n in range(9)], talk("h", held_out=True), groups={f"c{n}": "h" for n in range(9)}
        ).values()
    ) == {HELD_OUT}
    assert split(talk("a"), talk("t", held_out=False), groups={"a": "t"}, share=0.999)["a"] is TRAIN


def test_the_share_is_held_out_and_a_conversation_keeps_its_side_as_the_record_grows() -> None:
    tonight = split(*[talk(f"c{n}") for n in range(1000)])
    assert 299 <= sum(side is HELD_OUT for side in tonight.values()) <= 301
    kept = [talk(name, side="train" if side is TRAIN else "held-out") for name, side in tonight.items()]
    tomorrow = split(*kept, *[talk(f"new{n}") for n in range(500)])
    assert {name: tomorrow[name] for name in tonight} == tonight
    assert 149 <= sum(tomorrow[f"new{n}"] is HELD_OUT for n in range(500)) <= 151


def test_single_nights_of_one_conversation_hold_out_the_share_in_the_long_run() -> None:
    sides = [split(talk(f"c{n}"))[f"c{n}"] for n in range(1000)]
    assert 250 < sides.count(HELD_OUT) < 350


@pytest.mark.parametrize("groups", [10, 60, 150])
@pytest.mark.parametrize("share", [0.1, 0.15, 0.3])
def test_the_share_is_held_out_though_persons_and_near_duplicates_cross(groups: int, share: float) -> None:
    chance = random.Random(groups)
    names = [f"{n}-{m}" for n in range(100) for m in range(3)]
    of = {name: f"g{chance.randrange(groups)}" if chance.random() < 0.4 else name for name in names}
    first: dict[str, str] = {}
    leaders = {name: first.setdefault(of[name], name) for name in names}
    sides = split(*[talk(name, owner=f"browser:{name.split('-')[0]}") for name in names], groups=leaders, share=share)
    assert abs(sum(side is HELD_OUT for side in sides.values()) / 300 - share) < 0.03
    for group in set(leaders.values()):
        assert len({sides[name] for name in names if leaders[name] == group} - {NEITHER}) == 1
    for person in range(100):
        assert len({sides[f"{person}-{m}"] for m in range(3)} - {NEITHER}) <= 1


def test_a_person_stays_where_an_earlier_night_put_them() -> None:
    for side, expected in (("train", TRAIN), ("held-out", HELD_OUT)):
        old = talk("old", owner="browser:a", side=side)  # type: ignore[arg-type]
        assert {split(old, talk("new", owner="browser:a"), seed=seed)["new"] for seed in range(20)} == {expected}


def test_a_persons_conversations_stand_on_one_side_but_an_api_key_is_no_person() -> None:
    talks = [talk(f"{n}-{m}", owner=f"browser:{n}") for n in range(40) for m in range(3)]
    sides = split(*talks)
    assert {len({sides[f"{n}-{m}"] for m in range(3)}) for n in range(40)} == {1}
    assert set(sides.values()) == {TRAIN, HELD_OUT}
    keyed = split(*[talk(f"k{n}", owner="key:shop") for n in range(40)])
    assert set(keyed.values()) == {TRAIN, HELD_OUT}


def test_a_question_that_everybody_asks_does_not_pull_everybody_to_one_side() -> None:
    talks = [talk(f"{n}-own", owner=f"browser:{n}") for n in range(40)]
    talks += [talk(f"{n}-all", owner=f"browser:{n}") for n in range(40)]
    sides = split(*talks, groups={f"{n}-all": "0-all" for n in range(40)})
    assert {sides[f"{n}-own"] for n in range(40)} == {TRAIN, HELD_OUT}
    # The shared question stands on one side only, and nobody on both.
    assert len({sides[f"{n}-all"] for n in range(40)} - {NEITHER}) == 1
    assert all(sides[f"{n}-all"] in {NEITHER, sides[f"{n}-own"]} for n in range(40))


def test_another_seed_or_share_moves_only_what_has_no_side_yet() -> None:
    first = split(*[talk(f"c{n}") for n in range(200)])
    kept: dict[str, Literal["train", "held-out"]] = {
        name: "train" if side is TRAIN else "held-out" for name, side in first.items()
    }
    old = [talk(name, side=side) for name, side in kept.items()]
    again = split(*old, *[talk(f"new{n}") for n in range(200)], share=0.6, seed=5)
    assert {name: again[name] for name in first} == first


def test_a_near_duplicate_follows_what_was_decided_before() -> None:
    for side, expected in (("train", TRAIN), ("held-out", HELD_OUT)):
        old = talk("old", side=side)  # type: ignore[arg-type]
        assert {split(old, talk("new"), groups={"new": "old"}, seed=seed)["new"] for seed in range(20)} == {expected}


def test_what_production_was_trained_on_is_never_examined_whatever_else_is_said() -> None:
    talks = [talk("marked", held_out=True), talk("decided", side="held-out")]
    assert split(*talks, share=0.999, trained=frozenset({"marked", "decided"})) == {"marked": TRAIN, "decided": TRAIN}


def test_nor_is_what_is_nearly_the_same_as_production_was_trained_on() -> None:
    for examining in (talk("new", held_out=True), talk("new", side="held-out")):
        sides = split(talk("old"), examining, groups={"new": "old"}, trained=frozenset({"old"}))
        assert sides == {"old": TRAIN, "new": NEITHER}


@pytest.mark.parametrize("members", [2, 6, 12])
@pytest.mark.parametrize("count", [200, 300, 1000])
def test_the_share_comes_out_and_most_stays_where_every_chat_is_a_filled_in_form(count: int, members: int) -> None:
    """Each browser's three chats repeat other browsers'. Groups that followed their majority held out 4.5 %, not 15."""
    chance = random.Random(count)
    names = [f"{n // 3}-{n}" for n in range(count)]
    shuffled = chance.sample(names, count)
    first: dict[int, str] = {}
    of = {name: place // members for place, name in enumerate(shuffled)}
    leaders = {name: first.setdefault(of[name], name) for name in names}
    talks = [talk(name, owner=f"browser:{name.split('-')[0]}") for name in names]
    sides = split(*talks, groups=leaders, share=0.15)
    assert abs(sum(side is HELD_OUT for side in sides.values()) / count - 0.15) < 0.03
    assert sum(side is NEITHER for side in sides.values()) / count < 0.25
    assert split(*talks, groups=leaders, share=0.15) == sides
