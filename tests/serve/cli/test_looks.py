from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from collect import cycles
from collect.conversations import Told, conversation, message, record_turns
from collect.preferences import Preferred, record_preference
from collect.reviews import record_review
from nightschool.records import (
    Adapter,
    BotName,
    Choice,
    Cycle,
    CycleState,
    Outcome,
    Review,
    Stage,
    Vote,
    new_id,
    utc_now,
)
from nightschool.settings import Settings
from serve.parts import Parts
from serve.votes import Opinion
from tune.progress import TrainingProgress

Nightschool = Callable[..., Awaitable[Any]]
Register = Callable[..., Awaitable[Adapter]]


@pytest.fixture
def bots_folder(bots_folder: Path) -> Path:
    """The reviewer bot would have two answers compared, by a version that is not there."""
    with (bots_folder / "reviewer.toml").open("a") as order:
        order.write("\n[feedback]\nside_by_side_share = 0.1\nside_by_side_with = 7\n")
    return bots_folder


def a_cycle(**changes: Any) -> Cycle:
    usual = {
        "cycle_id": new_id(), "bot": BotName("support"), "trigger": "operator", "local_date": None,
        "state": CycleState.RUNNING, "step": "train", "progress": 0.0, "started_at": utc_now(),
    }  # fmt: skip
    return Cycle(**(usual | changes))


async def test_status_shows_engine_bots_and_nights(nightschool: Nightschool, parts: Parts) -> None:
    reasons = ("passed: it learned", "failed: too short")
    ended = a_cycle(trigger="catch-up", state=CycleState.DONE, outcome=Outcome.REJECT, reasons=reasons, step="finished")
    running = a_cycle(trigger="schedule", progress=0.4)
    for cycle in (ended, running):
        await parts.store.write(partial(cycles.start_cycle, cycle=cycle))
    found = (await nightschool("status", "--json")).json
    assert (found["engine"]["kind"], found["engine"]["state"]) == ("echo", "ready")
    support = next(bot for bot in found["bots"] if bot["bot"] == "support")
    assert (support["live"], support["schedule"], support["next_night"]) == ("support@base", "off", None)
    assert (support["running"]["step"], support["running"]["progress"]) == ("train", 0.4)
    outcomes = {(c["trigger"], c["state"], c["verdict"], tuple(c["reasons"])) for c in support["recent"]}
    assert outcomes == {("catch-up", "done", "reject", reasons), ("schedule", "running", None, ())}
    shown = await nightschool("status")
    assert shown.code == 0
    for word in ("engine: ready (echo", "answers are fake", "support@base", "train 40%", "reject", "failed: too short"):
        assert word in shown.out
    assert "it learned" not in shown.out


async def test_status_says_how_far_a_training_is(nightschool: Nightschool, parts: Parts) -> None:
    bot, board = BotName("support"), parts.nights.board
    await parts.store.write(partial(cycles.start_cycle, cycle=a_cycle(progress=0.4)))
    with board.training(bot):
        board.show(bot, TrainingProgress("dpo", 12, 40, 0.6931, 5e-6, 1512.4, 60.0, 130.0, 0.25, 0.75, 3_100.0))
        found = (await nightschool("status", "--json")).json
        support = next(row for row in found["bots"] if row["bot"] == "support")
        assert support["running"]["training"] == {
            "phase": "dpo", "step": 12, "steps": 40, "loss": 0.6931, "learning_rate": 5e-6, "tokens_per_s": 1512.4,
            "left_s": 130.0, "rewards_margin": 0.25, "rewards_accuracy": 0.75, "memory_mb": 3_100.0, "reward": None,
        }  # fmt: skip
        line = (
            "support trains: dpo 12/40, loss 0.693, margin +0.250, 75% of pairs right, lr 5.0e-06, 1,512 tokens/s, "
            "3.1 GB, 2 min 10 s left\n"
        )
        assert line in (await nightschool("status")).out
    assert "trains" not in (await nightschool("status")).out


async def test_status_says_who_won_where_people_saw_two_answers(nightschool: Nightschool, parts: Parts) -> None:
    assert " won " not in (await nightschool("status")).out
    for number, choice in enumerate((Choice.LEFT, Choice.LEFT, Choice.RIGHT, Choice.SAME)):
        owner = f"browser:{number}"
        turn = await parts.turns.begin_chat(parts.shelf.find("support"), owner=owner, conversation_id=None, text="Hi")
        async for _ in parts.turns.answer(turn):
            pass
        usual = await parts.store.read(partial(message, message_id=turn.answer_id))
        other = replace(usual, message_id=new_id(), content="Good day.", version=2)
        talk = await parts.store.read(partial(conversation, conversation_id=usual.conversation_id))
        told = Told(talk, (other,), usual_id=usual.message_id)
        await parts.store.write(partial(record_turns, turns=[told]))
        word = Preferred(
            talk.conversation_id, talk.bot, usual.message_id, other.message_id, True, owner, choice, utc_now()
        )  # fmt: skip
        await parts.store.write(partial(record_preference, preferred=word))
    shown = (await nightschool("status")).out
    # Wilson's of 2 of 3.
    line = (
        "support@base won 2 of 3 against support@2, 67% (95 %: 21% to 94%); 4 people, 1 the same, 0 both bad, "
        "asked 4 times\n"
    )
    assert line in shown
    assert "reviewer has nobody compare two answers: reviewer@7: does not exist" in shown


async def test_adapters_name_stage_and_hash(nightschool: Nightschool, register: Register) -> None:
    assert (await nightschool("adapters", "--json")).json == []
    assert "no adapters yet" in (await nightschool("adapters")).err
    first = await register("support", version=1, stage=Stage.PRODUCTION)
    await register("reviewer", version=7)
    rows = (await nightschool("adapters", "--bot", "support", "--json")).json
    assert [(row["bot"], row["version"], row["stage"], row["hash"]) for row in rows] == [
        ("support", 1, "production", first.content_hash)
    ]
    assert len((await nightschool("adapters", "--json")).json) == 2
    assert "reviewer\t7\tcandidate" in (await nightschool("adapters")).out


@pytest.mark.parametrize("verb", ["adapters", "events", "waiting", "gaps"])
async def test_a_bot_that_is_not_there_is_named(nightschool: Nightschool, verb: str) -> None:
    said = await nightschool(verb, "--bot", "nobody")
    assert (said.code, said.out) == (3, "")
    assert "'nobody': is not a bot here. Choose one of: reviewer, support." in said.err


async def test_what_waits_is_shown_until_an_operator_ruled(nightschool: Nightschool, parts: Parts) -> None:
    assert "nothing waits" in (await nightschool("waiting")).err
    turn = await parts.turns.begin_chat(parts.shelf.find("support"), owner="browser:a", conversation_id=None, text="Hi")
    async for _ in parts.turns.answer(turn):
        pass
    await parts.votes.cast(turn.answer_id, Opinion(Vote.DOWN, ideal_answer="Good day."), owner="browser:a")
    [row] = (await nightschool("waiting", "--bot", "support", "--json")).json
    shown = ("message_id", "bot", "question", "proposal", "persons")
    assert [row[key] for key in shown] == [turn.answer_id, "support", "Hi", "Good day.", 1]
    assert "Good day." in (await nightschool("waiting")).out
    review = Review(turn.answer_id, BotName("support"), "boss", True, "Good day.", (), utc_now())
    await parts.store.write(partial(record_review, review=review))
    assert (await nightschool("waiting", "--json")).json == []


async def test_what_nothing_answers_is_shown_until_somebody_wrote_it(nightschool: Nightschool, parts: Parts) -> None:
    assert "no gaps" in (await nightschool("gaps")).err
    text = "Do you deliver to the moon?"
    turn = await parts.turns.begin_chat(parts.shelf.find("support"), owner="browser:a", conversation_id=None, text=text)
    async for _ in parts.turns.answer(turn):
        pass
    await parts.votes.cast(turn.answer_id, Opinion(Vote.DOWN), owner="browser:a")
    [row] = (await nightschool("gaps", "--bot", "support", "--json")).json
    shown = ("bot", "question", "times", "message_id", "coverage", "is_approved")
    assert [row[key] for key in shown] == ["support", text, 1, turn.answer_id, 0.0, None]
    assert f"support\t{text}" in (await nightschool("gaps")).out
    review = Review(turn.answer_id, BotName("support"), "boss", True, "Not yet.", (), utc_now())
    await parts.store.write(partial(record_review, review=review))
    assert (await nightschool("gaps", "--json")).json == []


async def test_events_tell_who_did_what_and_why(nightschool: Nightschool, register: Register) -> None:
    await register("support", version=1)
    await nightschool("promote", "--bot", "support", "--reason", "better on [refunds]\x1b[31m")
    [event, *_] = (await nightschool("events", "--bot", "support", "--limit", "1", "--json")).json
    assert (event["actor"], event["action"]) == ("key:boss", "candidate->production")
    shown = (await nightschool("events")).out
    assert "better on [refunds][31m" in shown
    assert "\x1b" not in shown


async def test_who_answers_is_proved_as_far_as_the_engine_can(
    nightschool: Nightschool, register: Register, parts: Parts
) -> None:
    assert (await nightschool("prove", "--bot", "support")).out == "support@base answers: no adapter is live\n"
    adapter = await register("support", version=1)
    await nightschool("promote", "--bot", "support", "--reason", "better")
    found = (await nightschool("prove", "--bot", "support", "--json")).json
    assert found == {
        "bot": "support", "live": "support@1", "hash": adapter.content_hash, "is_proved": False, "to_adapter": None,
        "to_base": None,
    }  # fmt: skip
    assert "the echo engine has no weights to prove" in (await nightschool("prove", "--bot", "support")).out
    (parts.home.root / adapter.folder / "adapter_model.safetensors").write_bytes(b"other weights")
    changed = await nightschool("prove", "--bot", "support")
    assert (changed.code, changed.out, "differs from its manifest" in changed.err) == (2, "", True)
    assert (await nightschool("prove", "--bot", "no/body")).code == 3


async def test_a_report_is_printed_and_a_missing_one_named(nightschool: Nightschool) -> None:
    night = (await nightschool("night", "--bot", "support", "--json")).json
    said = await nightschool("report", "--page", night["cycle"])
    assert (said.code, said.out.startswith("# support: the night of ")) == (0, True)
    for cycle in ("none-such", "../../secrets.json"):
        missing = await nightschool("report", "--page", cycle)
        assert (missing.code, missing.out) == (3, "")


class TestOnADiskWithTooLittleRoom:
    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        return settings.model_copy(update={"night": settings.night.model_copy(update={"min_free_gib": 1e9})})

    async def test_status_says_so(self, nightschool: Nightschool) -> None:
        said = (await nightschool("status")).out
        assert "disk: low, " in said
        assert "no night begins below night.min_free_gib" in said
