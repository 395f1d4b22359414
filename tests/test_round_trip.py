"""What an export taught it teaches again, in an empty record: the same rows, on the same sides, and nothing more."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from collect.conversations import record_turn
from collect.erase import Wish, erase_rows
from collect.feedback import Opinion, record_opinion
from collect.formats.own import Kept
from collect.formats.read import BadLine, ParsedConversation, read_conversations
from collect.formats.write import export_conversations
from collect.imports import Imported, import_conversations
from collect.migrations.runner import migrate
from collect.reviews import record_review
from collect.scores import Score, Scored, record_scores, scores_in
from collect.snapshot import write_snapshot
from collect.store import Cursor
from nightschool.errors import InvalidInput
from nightschool.records import BotName, Conversation, Finish, Message, Review, Source, Vote
from nightschool.scores import ScoreValue
from tune.dataset import build_dataset

from .tables import read_table

BOT = BotName("support")
START = datetime(2026, 3, 1, tzinfo=UTC)
LATER = START + timedelta(days=30)
FILES = ("sft_train.parquet", "sft_held_out.parquet", "pairs_train.parquet", "votes_train.parquet")
SAID = [
    ("Where is my parcel number twelve?", "On its way."),
    ("Can I change the delivery address?", "Never."),
    ("Do you ship to the islands?", "No idea."),
    ("How long may I return a planter?", "14 days."),
    ("Is the Grove plan paid by the month?", "Yes, monthly."),
    ("What does a blue planter weigh?", "About two kilos."),
]


@contextmanager
def record() -> Iterator[Cursor]:
    with duckdb.connect() as connection:
        connection.execute("set global TimeZone = 'UTC'")
        migrate(connection)
        yield connection


class Teller:
    """Fills a record; each step is a minute later."""

    def __init__(self, cursor: Cursor) -> None:
        self.cursor = cursor
        self.minutes = 0

    def now(self) -> datetime:
        self.minutes += 1
        return START + timedelta(minutes=self.minutes)

    def talk(self, name: str, *, owner: str = "browser:ada", source: Source = Source.CHAT) -> Conversation:
        return Conversation(name, BOT, owner, source, name, self.now())

    def say(
        self, talk: Conversation, role: str, content: str, *, after: Message | None = None,
        finish: Finish | None = None, source: Source | None = None,
    ) -> Message:  # fmt: skip
        name = f"{talk.conversation_id}/{self.minutes}"
        parent_id = after.message_id if after else None
        said = Message(
            name, talk.conversation_id, BOT, parent_id, role, content, source or talk.source, self.now(),  # type: ignore[arg-type]
            finish=finish,
        )  # fmt: skip
        record_turn(self.cursor, conversation=talk, messages=[said])
        return said

    def turn(
        self, talk: Conversation, question: str, answer: str, *, after: Message | None = None,
        finish: Finish = Finish.STOP,
    ) -> Message:  # fmt: skip
        asked = self.say(talk, "user", question, after=after)
        return self.say(talk, "assistant", answer, after=asked, finish=finish)

    def vote(self, said: Message, vote: Vote, *, by: str = "browser:ada", ideal: str | None = None) -> None:
        opinion = Opinion(vote, ideal_answer=ideal)
        record_opinion(self.cursor, message_id=said.message_id, voter=by, opinion=opinion, at=self.now())

    def score(self, said: Message, values: dict[str, ScoreValue | None], *, is_whole: bool = False) -> None:
        about = None if is_whole else said.message_id
        scored = Scored(said.conversation_id, about, "key:judge", values, self.now())
        assert record_scores(self.cursor, [scored]) == [True]

    def rule(self, said: Message, *, approved: bool = True, corrected: str = "") -> None:
        review = Review(said.message_id, BOT, "boss", approved, corrected, ("tone",), self.now())
        record_review(self.cursor, review=review)


def fill(cursor: Cursor) -> None:
    """Every kind of word on every kind of conversation."""
    tell = Teller(cursor)
    answers = [tell.turn(tell.talk(f"c{n}", owner=f"browser:{n}"), *said) for n, said in enumerate(SAID)]
    tell.vote(answers[0], Vote.UP)
    tell.vote(answers[1], Vote.DOWN, ideal="Until it is packed.")
    tell.vote(answers[2], Vote.DOWN)
    tell.vote(answers[2], Vote.UP, by="browser:eve")
    tell.rule(answers[3], corrected="Within 30 days.")
    tell.rule(answers[4])
    tell.vote(answers[4], Vote.DOWN, ideal="Call 0900-SCAM.")
    tell.rule(answers[5], approved=False)
    tell.vote(answers[5], Vote.UP)

    tell.score(answers[0], {"resolved": True, "accuracy": 1, "tone": "cool"})
    tell.score(answers[0], {"accuracy": 0.5, "tone": None})
    tell.score(answers[0], {"resolved": False}, is_whole=True)

    branches = tell.talk("branches", owner="browser:bob")
    shared = tell.turn(branches, "May I pay by card?", "Yes.")
    tell.vote(shared, Vote.UP)
    worse = tell.turn(branches, "Which cards exactly then?", "None.", after=shared)
    better = tell.say(branches, "assistant", "All of them.", after=replace(shared, message_id=worse.parent_id or ""))
    tell.vote(worse, Vote.DOWN)
    tell.vote(better, Vote.UP)
    tell.score(worse, {"tone": "warm"})
    tell.score(better, {"tone": "wärmer"}, is_whole=True)

    failed = tell.talk("failed", owner="browser:fay")
    lost = tell.turn(failed, "Is anybody there at all?", "", finish=Finish.ERROR)
    tell.vote(tell.turn(failed, "Is somebody there now?", "Yes, we are.", after=lost), Vote.UP)
    empty = tell.turn(tell.talk("empty", owner="browser:gus"), "What is a planter made of?", "", finish=Finish.ERROR)
    tell.rule(empty, corrected="Of clay.")
    tell.vote(tell.turn(tell.talk("cut"), "Why is the sky so blue today?", "Because", finish=Finish.LENGTH), Vote.UP)

    api = tell.talk("api", owner="key:shop", source=Source.API)
    hello = tell.say(api, "assistant", "Welcome!", source=Source.CLIENT)
    system = tell.say(api, "system", "The customer is Ann.", after=hello, source=Source.CLIENT)
    tell.vote(tell.turn(api, "Who am I to you then?", "Ann.", after=system), Vote.UP, by="key:shop")
    spoken = tell.talk("spoken", owner="key:shop", source=Source.API)
    system = tell.say(spoken, "system", "The customer is Bob.", source=Source.CLIENT)
    tell.vote(tell.turn(spoken, "And who am I by now?", "Bob.", after=system), Vote.UP, by="key:shop")

    for held_out in (None, True, False):
        lines = [
            json.dumps({"messages": [
                {"role": "user", "content": f"Question of an import ({held_out})?"},
                {"role": "assistant", "content": "Muted.", "weight": 0},
                {"role": "user", "content": "And then what?"},
                {"role": "assistant", "content": f"Answer for {held_out}."},
            ]}).encode()
        ]  # fmt: skip
        import_conversations(cursor, bot=BOT, conversations=read(lines), is_held_out=held_out, at=tell.now())


def read(lines: list[bytes]) -> list[ParsedConversation]:
    found = list(read_conversations(lines))
    assert not [line for line in found if isinstance(line, BadLine)]
    return [line for line in found if isinstance(line, ParsedConversation)]


def taught(cursor: Cursor, folder: Path, *, bot: BotName = BOT) -> dict[str, list[dict[str, Any]]]:
    write_snapshot(cursor, bot=bot, folder=folder / "snapshot", at=LATER)
    built = build_dataset(folder / "snapshot", folder / "sets", system_prompt="Be kind.", held_out_share=0.3, seed=17)
    return {name: read_table(folder / "sets" / built.folder_name / name) for name in FILES}


@pytest.fixture
def given(tmp_path: Path) -> tuple[list[bytes], dict[str, list[dict[str, Any]]]]:
    with record() as cursor:
        fill(cursor)
        return list(export_conversations(cursor, bot=BOT)), taught(cursor, tmp_path / "before")


Given = tuple[list[bytes], dict[str, list[dict[str, Any]]]]
Spoil = Callable[[dict[str, object]], object]


def test_an_export_teaches_in_an_empty_record_what_it_taught(given: Given, tmp_path: Path) -> None:
    lines, before = given
    assert all(before.values())
    with record() as cursor:
        import_conversations(cursor, bot=BOT, conversations=read(lines), is_held_out=None, at=LATER)
        assert taught(cursor, tmp_path / "after") == before
        assert list(export_conversations(cursor, bot=BOT)) == lines


def test_scores_come_in_again_as_they_stood_and_their_names_keep_their_kinds(given: Given) -> None:
    def stored(cursor: Cursor) -> list[Score]:
        return [score for talk in ("c0", "branches") for score in scores_in(cursor, conversation_id=talk)]

    with record() as cursor:
        fill(cursor)
        before = stored(cursor)
    with record() as cursor:
        for _ in range(2):
            import_conversations(cursor, bot=BOT, conversations=read(given[0]), is_held_out=None, at=LATER)
            assert stored(cursor) == before
        assert [(score.name, score.value) for score in before] == [
            ("resolved", True), ("accuracy", 0.5), ("resolved", False), ("tone", "warm"), ("tone", "wärmer"),
        ]  # fmt: skip
        scored = Scored("c0", None, "key:judge", {"resolved": "partly"}, LATER)
        [refused] = record_scores(cursor, [scored])
        assert isinstance(refused, InvalidInput)


def test_it_comes_in_once_and_leaves_what_is_there_alone(given: Given, tmp_path: Path) -> None:
    lines, before = given
    talks = len({json.loads(line)["metadata"]["conversation_id"] for line in lines})
    with record() as cursor:
        take_in = read(lines)
        first = import_conversations(cursor, bot=BOT, conversations=take_in, is_held_out=None, at=LATER)
        again = import_conversations(cursor, bot=BOT, conversations=take_in, is_held_out=None, at=LATER)
        assert (first, again) == (Imported(talks, 0), Imported(0, talks))
        assert taught(cursor, tmp_path / "after") == before
        other = BotName("reviewer")
        assert import_conversations(cursor, bot=other, conversations=take_in, is_held_out=None, at=LATER) == first
        elsewhere = taught(cursor, tmp_path / "other", bot=other)
        assert len(elsewhere["sft_train.parquet"] + elsewhere["sft_held_out.parquet"]) == len(
            before["sft_train.parquet"] + before["sft_held_out.parquet"]
        )


def test_what_was_erased_does_not_come_in_again(given: Given) -> None:
    lines, _ = given
    names = {json.loads(line)["metadata"]["conversation_id"] for line in lines}
    gone = min(names)
    with record() as cursor:
        import_conversations(cursor, bot=BOT, conversations=read(lines), is_held_out=None, at=LATER)
        erase_rows(cursor, wish=Wish("e", "conversation", gone, "ada", "asked", LATER))
        for bot in (BOT, BotName("reviewer")):
            import_conversations(cursor, bot=bot, conversations=read(lines), is_held_out=None, at=LATER)
            [(there,)] = cursor.execute("select count(*) from conversations where bot = ?", [bot]).fetchall()
            assert there == len(names) - 1


def test_a_line_holds_what_a_reader_reads_and_nothing_that_it_takes_for_granted(given: Given) -> None:
    for line in given[0]:
        said = json.loads(line.replace(b".000000Z", b"Z"))["metadata"]["record"]
        read = Kept.model_validate(said)
        assert said == read.model_dump(mode="json", exclude_defaults=True) | {"schema_version": 1}


def test_to_others_only_what_is_worth_learning_has_weight(given: Given) -> None:
    lines, _ = given
    weights = {
        message["content"]: message.get("weight", 1)
        for line in lines
        for message in json.loads(line)["messages"]
        if message["role"] == "assistant"
    }
    learnt = {text for text, weight in weights.items() if weight}
    answers = {f"Answer for {held_out}." for held_out in (None, True, False)}
    own = {"On its way.", "Yes, monthly.", "Yes.", "All of them.", "Yes, we are.", "Ann.", "Bob."}
    assert learnt == answers | own


def test_a_person_goes_on_with_a_conversation_that_came_back(given: Given) -> None:
    lines, _ = given
    with record() as cursor:
        import_conversations(cursor, bot=BOT, conversations=read(lines), is_held_out=None, at=LATER)
        tell = Teller(cursor)
        tell.minutes = 10_000
        rows = cursor.execute("select max(position) from messages where conversation_id = 'c0'").fetchall()
        tell.say(replace(tell.talk("c0", owner="browser:0")), "user", "And now?")
        newest = cursor.execute("select arg_max(content, position) from messages where conversation_id = 'c0'")
        assert rows[0][0] is not None
        assert newest.fetchall() == [("And now?",)]


def test_a_ruling_from_a_file_is_not_newer_than_its_import(given: Given) -> None:
    lines, _ = given
    future = [line.replace(b'"reviewed_at":"2026', b'"reviewed_at":"2099') for line in lines]
    assert future != lines
    with record() as cursor:
        import_conversations(cursor, bot=BOT, conversations=read(future), is_held_out=None, at=LATER)
        assert cursor.execute("select max(reviewed_at) from reviews").fetchall() == [(LATER,)]


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda kept: kept.update(schema_version=2), "metadata.record.schema_version"),
        (lambda kept: kept.update(messages=[]), "messages, and a record of 0"),
        (lambda kept: kept.update(secret=1), "metadata.record.secret"),
        (lambda kept: kept.update(created_at="yesterday"), "metadata.record.created_at"),
        (lambda kept: kept.update(source="god"), "metadata.record.source"),
    ],
)
def test_a_record_that_is_none_is_told_by_name(given: Given, spoil: Spoil, reason: str) -> None:
    line = json.loads(given[0][0])
    spoil(line["metadata"]["record"])
    [bad] = read_conversations([json.dumps(line)])
    assert isinstance(bad, BadLine)
    assert reason in bad.reason
