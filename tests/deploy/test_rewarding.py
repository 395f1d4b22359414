"""A little program stands for the process that scores; the real one is tried with the trainer's tests."""

import sys
from datetime import UTC, datetime

import pytest

from deploy.plan import NightFolder
from deploy.rewarding import reward_of
from eval.reward import Answered, NoScores, RewardOrder
from nightschool.bots import Bot
from nightschool.files import publish
from nightschool.home import Home
from nightschool.records import Adapter, BotName, Stage

ADAPTER = Adapter(BotName("support"), 2, "h2", "f", Stage.CANDIDATE, "c2", "data", datetime(2026, 3, 10, tzinfo=UTC))
TEXTS = [Answered(({"role": "user", "content": "q"},), answer) for answer in ("one", "three")]
SCORES = """
import json, pathlib, sys
folder = pathlib.Path(sys.argv[1])
texts = json.loads((folder / "texts.json").read_text())
(folder / "scores.json").write_text(json.dumps([len(text["answer"]) for text in texts["texts"]]))
"""


def bot(*, is_wanted: bool = True) -> Bot:
    given = {"name": "support", "title": "Fern", "system_prompt": "Help.", "recipe": {"methods": ["sft", "reward"]}}
    return Bot.model_validate(given | {"gate": {"reward_model": is_wanted}})


@pytest.fixture
def trained(home: Home) -> Home:
    reward = NightFolder(home.cycle(ADAPTER.bot, ADAPTER.cycle_id)).run / "reward"
    reward.mkdir(parents=True)
    publish(reward, kind="reward", about={"held_out_pairs": 30, "held_out_right": 24, "bar": 0.1})
    return home


def order(home: Home, program: str) -> RewardOrder:
    found = reward_of(bot(), home, ADAPTER, folder=home.root / "work", command=[sys.executable, "-c", program])
    assert found is not None
    return found


async def test_answers_are_scored_by_a_child_that_leaves_nothing_behind(trained: Home) -> None:
    found = order(trained, SCORES)
    assert (found.held_out_pairs, found.held_out_right) == (30, 24)
    assert await found.score(TEXTS) == [3, 5]
    assert not (trained.root / "work").exists()


@pytest.mark.parametrize(
    ("program", "said"),
    [
        ("import sys; print('no such model', file=sys.stderr); sys.exit(2)", "ended with code 2: no such model"),
        ("pass", "left no scores"),
        (
            SCORES.replace('json.dumps([len(text["answer"]) for text in texts["texts"]])', "'[1]'"),
            "left 1 scores for 2",
        ),
        (SCORES.replace('json.dumps([len(text["answer"]) for text in texts["texts"]])', "'[1, '"), "left no scores"),
    ],
)
async def test_a_child_that_fails_is_told_in_words(trained: Home, program: str, said: str) -> None:
    with pytest.raises(NoScores, match=said):
        await order(trained, program).score(TEXTS)
    assert not (trained.root / "work").exists()


async def test_where_none_was_trained_that_is_said(home: Home) -> None:
    found = order(home, SCORES)
    with pytest.raises(NoScores, match="none that was trained with the candidate is there"):
        await found.score(TEXTS)


def test_a_bot_that_wants_none_has_none_and_one_that_trains_none_may_not_want_it(trained: Home) -> None:
    assert reward_of(bot(is_wanted=False), trained, ADAPTER, folder=trained.root / "work") is None
    with pytest.raises(ValueError, match='add "reward" to'):
        Bot.model_validate({"name": "a", "title": "A", "system_prompt": "x", "gate": {"reward_model": True}})
