"""A night whose reward model is asked by its gate: the real trainer, on a tiny base model, and the real scorer."""

import json
from functools import partial
from pathlib import Path

import pytest

from bench.common.nightlab import FILE, SUPPORT, KnowingEngine, fill
from collect.formats.preference import read_openai_preference
from collect.formats.talk import ParsedTree
from collect.imports import import_conversations
from collect.store import Store
from deploy.cycle import NightLimits, NightRunner
from deploy.plan import NightFolder
from deploy.proof import take_on_trust
from deploy.rollout import Rollout
from nightschool.bots import BotShelf
from nightschool.home import Home
from nightschool.records import CycleState, utc_now

from ..tune.conftest import base_model, one_thread  # noqa: F401 - fixtures

pytestmark = [pytest.mark.train, pytest.mark.timeout(600), pytest.mark.usefixtures("one_thread")]

PAIRS = 60


LEARNS = """[recipe]
methods = ["sft", "reward"]
epochs = 0.2
min_pairs = 5
max_tokens = 2048
held_out_share = 0.3
"""


def order() -> str:
    """The shipped conversations' bot, which learns little and judges by its pairs."""
    text = FILE.format(name=SUPPORT).replace("[recipe]\n", LEARNS)
    return text.replace("[gate]\n", "[gate]\nreward_model = true\n")


def pairs() -> list[ParsedTree]:
    return [
        read_openai_preference(
            number,
            {
                "input": {"messages": [{"role": "user", "content": f"What is {number} and {number}?"}]},
                "preferred_output": [{"role": "assistant", "content": f"It is {2 * number}."}],
                "non_preferred_output": [{"role": "assistant", "content": "Who knows? Go away!"}],
            },
        )
        for number in range(PAIRS)
    ]


async def test_the_verdict_tells_what_it_prefers_and_how_far_it_is_to_be_believed(
    store: Store,
    home: Home,
    base_model: Path,  # noqa: F811 - the fixture
) -> None:
    await fill(store, home, SUPPORT)
    bots = home.root / "bots"
    (bots / f"{SUPPORT}.toml").write_text(order())
    keep = partial(import_conversations, bot=SUPPORT, conversations=pairs(), is_held_out=None, at=utc_now())
    await store.write(keep)
    engine = KnowingEngine()
    rollout = Rollout(store, engine, home=home, max_adapters=4, prove=take_on_trust)
    limits = NightLimits(training_timeout_s=500, min_free_gib=0, max_lora_rank=16)
    runner = NightRunner(
        store, engine, rollout, shelf=BotShelf(bots), home=home, base_model=str(base_model), limits=limits
    )
    ended = await runner.run(await runner.claim(SUPPORT, trigger="operator", actor="ada"))
    assert ended.state is CycleState.DONE, ended.reasons
    figures = json.loads(ended.figures_json)
    assert 0 <= figures["reward_win_rate_low"] <= figures["reward_win_rate"] <= figures["reward_win_rate_high"] <= 1
    folder = NightFolder(home.cycle(SUPPORT, ended.cycle_id))
    [report] = folder.root.rglob("report.md")
    told = report.read_text()
    assert "By the reward model, of " in told
    assert f"Of its own worth: it ranks {figures['reward_agreement']:.1%} (" in told
    # Where it worked nothing is left of what people said.
    assert not list(folder.root.rglob("texts.json"))
