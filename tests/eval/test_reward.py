"""A function stands for the reward model: it likes answers by the number of their exclamation marks."""

import math
from collections.abc import Sequence
from pathlib import Path

import pytest

from eval.answers import Answer, Label
from eval.checks import preference
from eval.reward import Answered, NoScores, RewardOrder, score_by_reward
from eval.reward_facts import RewardFacts
from eval.rules import GateRules
from eval.suites import SuiteRow
from nightschool.records import Finish

RULES = GateRules(draws=1_000, reward_model=True)


class Model:
    def __init__(self, *, problem: str = "") -> None:
        self.asked: list[Answered] = []
        self.problem = problem

    async def score(self, texts: Sequence[Answered]) -> list[float | None]:
        self.asked += texts
        if self.problem:
            raise NoScores(self.problem)
        return [None if text.answer == "endless" else float(text.answer.count("!")) for text in texts]

    def order(self, *, pairs: int = 100, right: int = 90) -> RewardOrder:
        return RewardOrder("model-1", pairs, right, self.score)


async def ask(
    model: Model, said: Sequence[tuple[str, str]], cache: Path, *, rival: Label = "production", people: int = 99
) -> RewardFacts:
    rows = [
        SuiteRow(f"r{i}", f"c{i}", ({"role": "user", "content": f"q {i}"},), "x", person=f"p{i % people}")
        for i in range(len(said))
    ]
    answers: dict[Label, dict[str, Answer]] = {
        label: {
            row.row_id: Answer(row.row_id, pair[side], Finish.STOP, 2, -4.0, 4, 1.0)
            for row, pair in zip(rows, said, strict=True)
        }
        for side, label in enumerate[Label](("candidate", rival))
    }
    return await score_by_reward(model.order(), rows, answers, rules=RULES, cache=cache)


async def test_the_win_rate_counts_ties_half_and_leaves_out_what_has_no_score(tmp_path: Path) -> None:
    found = await ask(Model(), [("a!", "b"), ("a!", "b"), ("a", "b"), ("a", "b!"), ("a", "endless")], tmp_path)
    assert (found.wins, found.ties, found.losses, found.left_out) == (2, 1, 1, 1)
    assert found.win_rate == 0.625
    assert found.low < 0.625 < found.high
    told = " ".join(found.tell(least=0.6))
    assert "of 4 answers beside those of production it prefers 2" in told
    assert "it ranks 90.0% (82.6% to 94.5%) of 100 held-out pairs as people did" in told
    assert "the gate goes by it" in told
    assert "has no score, as where it is too long: 1 rows" in told


async def test_what_was_scored_is_not_scored_again_and_gives_the_same(tmp_path: Path) -> None:
    model = Model()
    said = [("a!", "b"), ("a", "endless"), ("a", "b")]
    first = await ask(model, said, tmp_path)
    assert (await ask(model, said, tmp_path), len(model.asked)) == (first, 6)
    await ask(model, [*said, ("new", "b!")], tmp_path)
    assert len(model.asked) == 8


async def test_bounds_go_by_people(tmp_path: Path) -> None:
    said = [("a!", "b")] * 20 + [("a", "b!")] * 20
    alone, few = await ask(Model(), said, tmp_path), await ask(Model(), said, tmp_path, people=4)
    assert few.win_rate == alone.win_rate == 0.5
    assert few.high - few.low > alone.high - alone.low
    assert "fewer than two people" in (await ask(Model(), said, tmp_path, people=1)).problem


async def test_equal_answers_lose_nothing(tmp_path: Path) -> None:
    found = await ask(Model(), [("same!", "same!")] * 30, tmp_path)
    assert (found.ties, found.win_rate) == (30, 0.5)
    assert [check.has_passed for check in preference(found, RULES)] == [True]


async def test_one_that_cannot_be_asked_is_told_and_decides_nothing(tmp_path: Path) -> None:
    found = await ask(Model(problem="it is ill"), [("a", "b!")] * 30, tmp_path)
    assert list(found.tell(least=0.6)) == ["The reward model was not asked: it is ill."]
    assert (found.figures, list(preference(found, RULES))) == ({}, [])
    assert list(preference(None, RULES)) == []


LOST = RewardFacts(
    rival="production", wins=5, losses=55, win_rate=0.08, low=0.03, high=0.17, held_out_pairs=100, held_out_right=90
)


def believed(pairs: int, right: int) -> RewardFacts:
    return RewardFacts(**{**{name: getattr(LOST, name) for name in ("rival", "wins", "losses", "win_rate", "low")},
                          "high": 0.17, "held_out_pairs": pairs, "held_out_right": right})  # fmt: skip


@pytest.mark.parametrize(
    ("pairs", "right", "decides"), [(100, 90, True), (100, 69, False), (10, 8, False), (0, 0, False)]
)
def test_only_one_that_is_surely_of_peoples_mind_stops_a_candidate(pairs: int, right: int, decides: bool) -> None:
    found = believed(pairs, right)
    checked = list(preference(found, RULES))
    assert [check.has_passed for check in checked] == ([False] if decides else [])
    assert ("the gate goes by it" if decides else "it decides nothing") in " ".join(found.tell(least=0.6))
    assert found.figures["reward_win_rate"] == 0.08
    assert all(math.isfinite(value) for value in found.figures.values())


def test_a_loss_that_was_not_shown_stops_nobody() -> None:
    found = RewardFacts(wins=28, losses=32, win_rate=0.47, low=0.35, high=0.6, held_out_pairs=100, held_out_right=90)
    (check,) = preference(found, RULES)
    assert check.has_passed
    assert "not shown to be a loss" in check.sentence
