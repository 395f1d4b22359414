"""General rows that hold a model in place: asked once for each base, kept, and mixed in by share."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from nightschool.errors import InvalidInput
from tune.decontaminate import Turn
from tune.pace import write_deadline
from tune.recipe import Recipe
from tune.replay import (
    GROUP,
    MAX_WEIGHT,
    Replay,
    Said,
    answer_prompts,
    count_wanted,
    gather_replay,
    read_prompts,
    read_replay,
)

PROMPTS = [f"Question {number}?" for number in range(3 * GROUP)]
CUT = PROMPTS[::7]


class Base:
    """Says its prompt backwards; every seventh answer does not end."""

    def __init__(self, *, dies_at: int = -1) -> None:
        self.groups: list[list[str]] = []
        self._dies_at = dies_at

    def __call__(self, prompts: Sequence[str]) -> list[Said]:
        if len(self.groups) == self._dies_at:
            raise KeyboardInterrupt
        self.groups.append(list(prompts))
        return [Said(prompt[::-1], is_whole=prompt not in CUT) for prompt in prompts]


def ask(base: Base, file: Path, *, seed: int = 17) -> list[str]:
    return [chat[0]["content"] for chat in answer_prompts(PROMPTS, generate=base, file=file, seed=seed)]


def test_the_prompts_are_general_many_and_each_one_once() -> None:
    prompts = read_prompts()
    assert 60 <= len(prompts) == len(set(prompts)) <= 100
    assert all(prompt == prompt.strip() and len(prompt) > 15 for prompt in prompts)


def test_each_prompt_is_answered_once_for_a_base_and_what_was_cut_off_is_left_out(tmp_path: Path) -> None:
    first, later = Base(), Base()
    asked = ask(first, tmp_path / "kept" / "base.jsonl")
    assert [len(group) for group in first.groups] == [GROUP] * 3
    assert sorted(asked) == sorted(set(PROMPTS) - set(CUT))
    assert ask(later, tmp_path / "kept" / "base.jsonl") == asked
    assert later.groups == []


def test_no_more_prompts_are_asked_than_are_wanted(tmp_path: Path) -> None:
    base = Base()
    next(answer_prompts(PROMPTS, generate=base, file=tmp_path / "base.jsonl", seed=17))
    assert len(base.groups) == 1


@pytest.mark.parametrize("torn", ["", '{"prompt": "Question 9?", "ans', "\0\0\0\0"])
def test_a_kill_in_the_middle_costs_one_group_and_changes_no_answer(tmp_path: Path, torn: str) -> None:
    file, whole = tmp_path / "base.jsonl", Base()
    undisturbed = ask(whole, tmp_path / "undisturbed.jsonl")
    with pytest.raises(KeyboardInterrupt):
        ask(Base(dies_at=1), file)
    with file.open("a") as out:
        out.write(torn)
    again = Base()
    assert ask(again, file) == undisturbed
    # The same prompts beside one another as ever.
    assert again.groups == whole.groups[1:]
    assert ask(Base(dies_at=0), file) == undisturbed


def order(**changes: Any) -> Recipe:
    return Recipe(base_model="base", dataset="data", **({"replay": "own"} | changes))


def gather(run: Path, recipe: Recipe, *, rows: int = 90, base: Any = None, exam: Sequence[Turn] = ()) -> Replay | None:
    run.mkdir(exist_ok=True)
    return gather_replay(run, recipe, rows=rows, base="weights", exam=lambda: exam, generate=base or say_much)


def say_much(prompts: Sequence[str]) -> list[Said]:
    return [Said(f"To {prompt}: yes, {number} times.", is_whole=True) for number, prompt in enumerate(prompts)]


def test_the_bases_answers_are_a_share_of_all_rows_and_stay_what_they_were(tmp_path: Path) -> None:
    recipe = order(replay_folder=str(tmp_path / "kept"))
    replay = gather(tmp_path / "run", recipe)
    assert replay is not None
    assert (len(replay.rows), replay.weight, replay.kind) == (10, 1, "own")
    assert replay.describe() == "10 rows of replay (the base model's own answers to general prompts)"
    assert gather(tmp_path / "run", recipe, rows=500) == read_replay(tmp_path / "run") == replay
    # Another night asks nothing anew and, with another seed, takes others.
    other = gather(tmp_path / "other", recipe.model_copy(update={"seed": 18}), base=Base(dies_at=5))
    assert other is not None
    assert other.content_hash != replay.content_hash


def test_only_so_many_prompts_are_answered_as_there_is_time_for_and_that_is_told(tmp_path: Path) -> None:
    """The base takes a minute for each group of prompts, and of 480 s a quarter is for replay."""
    now_s = 1_000.0

    class Slow(Base):
        def __call__(self, prompts: Sequence[str]) -> list[Said]:
            nonlocal now_s
            now_s += 60
            return super().__call__(prompts)

    def gather_until(name: str, done_by_s: float) -> Replay | None:
        run, base = tmp_path / name, Slow()
        run.mkdir()
        write_deadline(run, done_by_s)
        recipe = order(replay_folder=str(tmp_path / "kept"))
        return gather_replay(run, recipe, rows=900, base="weights", exam=tuple, generate=base, clock=lambda: now_s)

    replay = gather_until("short", now_s + 480)
    assert replay is not None
    assert len(replay.rows) == 2 * GROUP
    assert replay.describe().endswith("; no more were asked for, to be done in time")
    assert read_replay(tmp_path / "short") == replay
    late = gather_until("late", now_s - 60)
    assert late is not None
    assert late.rows == replay.rows, "what is known already is taken"


def test_where_there_are_few_they_weigh_more_within_a_bound(tmp_path: Path) -> None:
    prompts = len(read_prompts())
    for rows, weight in ((9 * prompts, 1), (18 * prompts, 2), (900 * prompts, MAX_WEIGHT)):
        replay = gather(tmp_path / str(rows), order(replay_folder=str(tmp_path)), rows=rows)
        assert replay is not None
        assert (len(replay.rows), replay.weight) == (prompts, weight)


@pytest.mark.parametrize(("rows", "share", "wanted"), [(90, 0.1, 10), (9, 0.1, 1), (1, 0.1, 1), (50, 0.5, 50)])
def test_a_share_is_of_all_rows(rows: int, share: float, wanted: int) -> None:
    assert count_wanted(rows, share=share) == wanted


def test_without_an_order_or_without_rows_nobody_is_asked(tmp_path: Path) -> None:
    assert gather(tmp_path, order(replay="none"), base=Base(dies_at=0)) is None
    assert gather(tmp_path, order(), rows=0, base=Base(dies_at=0)) is None
    assert read_replay(tmp_path) is None


def write_chats(file: Path, count: int) -> Path:
    turns = [[{"role": "user", "content": f"q{n}"}, {"role": "assistant", "content": f"a{n}"}] for n in range(count)]
    lines = [json.dumps({"messages": messages}) for messages in [*turns, [{"role": "user", "content": "alone"}]]]
    file.write_text("\n".join(lines))
    return file


def test_real_chats_are_mixed_in_instead(tmp_path: Path) -> None:
    recipe = order(replay="rows", replay_rows=str(write_chats(tmp_path / "general.jsonl", 30)))
    replay = gather(tmp_path / "run", recipe, base=Base(dies_at=0))
    assert replay is not None
    assert len({row.item_id for row in replay.rows}) == len(replay.rows) == 10
    assert "general chats" in replay.describe()
    with pytest.raises(InvalidInput, match=r"recipe\.replay_rows"):
        gather(tmp_path / "other", recipe.model_copy(update={"replay_rows": str(tmp_path / "gone.jsonl")}))


def test_no_replay_row_holds_what_the_exam_asks(tmp_path: Path) -> None:
    recipe = order(replay="rows", replay_share=0.5, replay_rows=str(write_chats(tmp_path / "general.jsonl", 12)))
    secret = "Pack the planter in its own box and bring it to any parcel shop within thirty days."
    with (tmp_path / "general.jsonl").open("a") as out:
        turns = [{"role": "user", "content": "So?"}, {"role": "assistant", "content": f"Well. {secret}"}]
        out.write("\n" + json.dumps({"messages": turns}))
    replay = gather(tmp_path / "run", recipe, exam=[Turn("How do I return it?", secret)])
    assert replay is not None
    assert (len(replay.rows), replay.left_out) == (12, 1)
    assert secret not in (tmp_path / "run" / "replay.json").read_text()
