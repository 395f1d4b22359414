"""From a hostile burst to its release: stopped by a build, listed, let through, and learnt from by the next build."""

from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from collect.conversations import record_turn
from collect.feedback import Opinion, Said, record_opinions
from collect.quarantine import list_quarantine, rule_votes
from collect.snapshot import write_snapshot
from collect.store import Store
from deploy.known import keep_decided
from nightschool.records import BotName, Conversation, Finish, Message, Source, Vote, VoteState, new_id
from tune.bounds import Bounds
from tune.dataset import DatasetSummary, build_dataset
from tune.left_out import read_stopped
from tune.rows import read_votes
from tune.screens import Screen
from tune.split import Side

BOT = BotName("support")
NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
WORDS = ["amber", "birch", "cedar", "dune", "elm", "fern", "grove", "heath", "iris", "jade"]


async def ask_and_vote(store: Store, owner: str, vote: Vote, *, at: datetime) -> None:
    """A chat about each of WORDS, and then a vote on each answer, half a minute apart."""
    said = []
    for word in WORDS:
        talk = Conversation(new_id(), BOT, owner, Source.CHAT, word, at)
        asked = Message(new_id(), talk.conversation_id, BOT, None, "user", f"What about the {word}?", Source.CHAT, at)
        answer = Message(
            new_id(), talk.conversation_id, BOT, asked.message_id, "assistant", f"{word}.", Source.CHAT, at,
            finish=Finish.STOP,
        )  # fmt: skip
        await store.write(partial(record_turn, conversation=talk, messages=[asked, answer]))
        said.append(answer.message_id)
    for number, name in enumerate(said):
        cast = Said(name, owner, Opinion(vote), at + timedelta(seconds=30 * number))
        await store.write(partial(record_opinions, said=[cast]))


async def build(store: Store, folder: Path, *, at: datetime) -> tuple[DatasetSummary, Path]:
    await store.read(partial(write_snapshot, bot=BOT, folder=folder / "snapshot", at=at))
    built = build_dataset(
        folder / "snapshot", folder / "sets", system_prompt="Help.", held_out_share=0.1, seed=17,
        bounds=Bounds(burst_votes=8, train_share=1, weighs_persons=False),
    )  # fmt: skip
    dataset = folder / "sets" / built.folder_name
    await keep_decided(store, dataset, bot=BOT, at=at)
    return built, dataset


def disliked(dataset: Path) -> int:
    return sum(not row.is_good for side in (Side.TRAIN, Side.HELD_OUT) for row in read_votes(dataset, side))


async def test_a_stopped_burst_is_learnt_from_once_an_operator_lets_it(store: Store, tmp_path: Path) -> None:
    for number in range(4):
        await ask_and_vote(store, f"browser:p{number}", Vote.UP, at=NOON + timedelta(days=number))
    await ask_and_vote(store, "browser:eve", Vote.DOWN, at=NOON + timedelta(days=5))
    built, dataset = await build(store, tmp_path / "one", at=NOON + timedelta(days=6))
    assert (built.stopped, disliked(dataset)) == (10, 0)
    stopped = await store.read(partial(list_quarantine, bot=BOT))
    assert {row.voter for row in stopped} == {"browser:eve"}
    rule = partial(rule_votes, bot=BOT, voter="browser:eve", message_id=None, actor="ada", reason="she is right")
    assert await store.write(partial(rule, state=VoteState.RELEASED, at=NOON + timedelta(days=7))) == 10
    again, _ = await build(store, tmp_path / "two", at=NOON + timedelta(days=8))
    assert again.stopped == 0
    assert await store.read(partial(list_quarantine, bot=BOT)) == []


async def test_what_an_operator_keeps_out_stays_out_where_no_screen_would_stop_it(store: Store, tmp_path: Path) -> None:
    for number in range(4):
        await ask_and_vote(store, f"browser:p{number}", Vote.UP, at=NOON + timedelta(days=number))
    await ask_and_vote(store, "browser:eve", Vote.DOWN, at=NOON + timedelta(days=5))
    await build(store, tmp_path / "one", at=NOON + timedelta(days=6))
    rule = partial(rule_votes, bot=BOT, voter="browser:eve", message_id=None, actor="ada", reason="a rival")
    assert await store.write(partial(rule, state=VoteState.KEPT, at=NOON + timedelta(days=7))) == 10
    # Her mood is the general one by now, so that nothing of hers would be a burst.
    for number in range(8):
        await ask_and_vote(store, f"browser:q{number}", Vote.DOWN, at=NOON + timedelta(days=9 + number))
    _, dataset = await build(store, tmp_path / "two", at=NOON + timedelta(days=30))
    assert {row.voter for row in read_stopped(dataset) if row.reason == Screen.KEPT_OUT} == {"browser:eve"}
    assert "votes that operators keep out" in (dataset / "card.md").read_text()
    assert await store.read(partial(list_quarantine, bot=BOT, voter="browser:eve")) == []
    kept = await store.read(partial(list_quarantine, bot=BOT, voter="browser:eve", state=VoteState.KEPT))
    assert (len(kept), {row.reason for row in kept}) == (10, {"a rival"})
