"""Whatever people and operators do in whatever order, with crashes between: the record holds what a simple model does.

A crash is the record's files as they lie while it is open, which is what kill -9 leaves (`test_durability` kills for
real).
"""

import shutil
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path
from tempfile import mkdtemp
from typing import TypeVar

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from collect.conversations import conversation_messages, record_turn
from collect.feedback import Opinion, feedback_of, record_opinion
from collect.opening import connect_record
from collect.reviews import record_review, review_of
from collect.scores import Scored, record_scores, scores_in
from collect.store import Cursor
from nightschool.records import Conversation, Message, Review, Source, Vote
from nightschool.scores import ScoreValue

from .conftest import AT, BOT

T = TypeVar("T")
PEOPLE = ("browser:ada", "browser:eve")
WORDS = st.sampled_from(["", "wrong", "rude", "Ja, ñandú 🦉."])
MAYBE_WORDS = st.none() | WORDS
MAYBE_REASONS = st.none() | st.lists(st.sampled_from(["slow", "false"]), unique=True).map(tuple)


@dataclass
class Mind:
    """What one person says of one answer, as it is now."""

    vote: Vote = Vote.NONE
    reasons: tuple[str, ...] = ()
    comment: str = ""
    ideal: str = ""

    def change(self, opinion: Opinion) -> "Mind":
        before = self
        if self.vote is not Vote.NONE and opinion.vote not in {None, self.vote}:
            before = Mind()
        return Mind(
            before.vote if opinion.vote is None else opinion.vote,
            before.reasons if opinion.reasons is None else tuple(opinion.reasons),
            before.comment if opinion.comment is None else opinion.comment,
            before.ideal if opinion.ideal_answer is None else opinion.ideal_answer,
        )


@dataclass
class Model:
    talks: dict[str, list[Message]] = field(default_factory=lambda: defaultdict(list))
    minds: dict[tuple[str, str], Mind] = field(default_factory=dict)
    changes: int = 0
    scores: dict[tuple[str, str | None, str, str], ScoreValue | None] = field(default_factory=dict)
    score_changes: int = 0
    rulings: dict[str, Review] = field(default_factory=dict)
    overruled: int = 0


def open_file(folder: Path) -> Cursor:
    connection = connect_record(folder / "record.duckdb", temp=folder / "temp", memory_gib=0.5, threads=1)
    connection.execute("set global TimeZone = 'UTC'")
    return connection


class RecordMachine(RuleBasedStateMachine):
    answers = Bundle("answers")
    empty: Path

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(mkdtemp(dir=self.empty.parent))
        shutil.copy(self.empty, self.folder / "record.duckdb")
        self.record = open_file(self.folder)
        self.model = Model()
        self.names = map(str, count())
        self.now: datetime = AT

    def teardown(self) -> None:
        self.record.close()
        shutil.rmtree(self.folder)

    def say(self, talk: str, parent: str | None, role: str, text: str) -> Message:
        source = Source.CHAT
        return Message(next(self.names), talk, BOT, parent, role, text, source, self.now)  # type: ignore[arg-type]

    def keep(self, *messages: Message) -> Message:
        talk = messages[0].conversation_id
        owner = Conversation(talk, BOT, "browser:ada", Source.CHAT, "", AT)
        with_commit(self.record, lambda: record_turn(self.record, conversation=owner, messages=messages))
        self.model.talks[talk] += messages
        return messages[-1]

    @initialize(target=answers)
    def greet(self) -> Message:
        return self.tell("Where?", "Here.")

    @rule(target=answers, question=WORDS, answer=WORDS)
    def begin(self, question: str, answer: str) -> Message:
        return self.tell(question, answer)

    def tell(self, question: str, answer: str) -> Message:
        asked = self.say(f"talk{next(self.names)}", None, "user", question)
        return self.keep(asked, self.say(asked.conversation_id, asked.message_id, "assistant", answer))

    @rule(target=answers, after=answers, question=WORDS, answer=WORDS)
    def turn(self, after: Message, question: str, answer: str) -> Message:
        asked = self.say(after.conversation_id, after.message_id, "user", question)
        return self.keep(asked, self.say(after.conversation_id, asked.message_id, "assistant", answer))

    @rule(target=answers, of=answers, answer=WORDS)
    def retry(self, of: Message, answer: str) -> Message:
        return self.keep(self.say(of.conversation_id, of.parent_id, "assistant", answer))

    @rule(target=answers, of=answers, question=WORDS)
    def edit(self, of: Message, question: str) -> Message:
        before = next(m for m in self.model.talks[of.conversation_id] if m.message_id == of.parent_id)
        asked = self.say(of.conversation_id, before.parent_id, "user", question)
        return self.keep(asked, self.say(of.conversation_id, asked.message_id, "assistant", "Again."))

    @rule(
        of=answers, who=st.sampled_from(PEOPLE), vote=st.none() | st.sampled_from(Vote), reasons=MAYBE_REASONS,
        comment=MAYBE_WORDS, ideal=st.none() | st.sampled_from(["", "Better."]), times=st.sampled_from([1, 2]),
    )  # fmt: skip
    def vote(
        self, *, of: Message, who: str, vote: Vote | None, reasons: tuple[str, ...] | None, comment: str | None,
        ideal: str | None, times: int,
    ) -> None:  # fmt: skip
        opinion = Opinion(vote, reasons, comment, ideal)
        key = (of.message_id, who)
        for _ in range(times):
            with_commit(
                self.record,
                lambda: record_opinion(self.record, message_id=key[0], voter=who, opinion=opinion, at=self.now),
            )
            before = self.model.minds.get(key)
            after = (before or Mind()).change(opinion)
            if after != before:
                self.model.minds[key] = after
                self.model.changes += 1

    @precondition(lambda self: self.model.minds)
    @rule(data=st.data(), vote=st.sampled_from(Vote), comment=MAYBE_WORDS)
    def change_mind(self, data: st.DataObject, vote: Vote, comment: str | None) -> None:
        name, who = data.draw(st.sampled_from(sorted(self.model.minds)))
        of = next(m for messages in self.model.talks.values() for m in messages if m.message_id == name)
        self.vote(of=of, who=who, vote=vote, reasons=None, comment=comment, ideal=None, times=1)

    @rule(of=answers, who=st.sampled_from(PEOPLE))
    def retract(self, of: Message, who: str) -> None:
        self.vote(of=of, who=who, vote=Vote.NONE, reasons=None, comment=None, ideal=None, times=1)
        mind = self.model.minds[of.message_id, who]
        assert mind.vote is Vote.NONE

    @rule(
        of=answers, who=st.sampled_from(PEOPLE), is_whole=st.booleans(), times=st.sampled_from([1, 2]),
        given=st.sampled_from([("clear", True), ("clear", False), ("clear", None), ("pace", 0.5), ("pace", 1.0)]),
    )  # fmt: skip
    def score(self, *, of: Message, who: str, is_whole: bool, times: int, given: tuple[str, ScoreValue | None]) -> None:
        key = (of.conversation_id, None if is_whole else of.message_id, who, given[0])
        scored = Scored(*key[:3], dict([given]), self.now)
        for _ in range(times):
            [is_new] = with_commit(self.record, lambda: record_scores(self.record, [scored]))
            assert is_new is (self.model.scores.get(key) != given[1])
            self.model.scores[key] = given[1]
            self.model.score_changes += is_new

    @rule(of=answers, text=st.sampled_from(["", "Ruled.", "Ruled again."]), reviewer=st.sampled_from(["ada", "eve"]))
    def rule_on(self, of: Message, text: str, reviewer: str) -> None:
        review = Review(of.message_id, BOT, reviewer, bool(text), text, (), self.now)
        before = self.model.rulings.get(of.message_id)
        kept = with_commit(self.record, lambda: record_review(self.record, review=review))
        if kept != before:
            self.model.overruled += before is not None
            self.model.rulings[of.message_id] = kept
        assert (kept.reviewer, kept.corrected_answer) == (reviewer, text)
        assert before is None or kept.reviewed_at >= before.reviewed_at

    @rule(hours=st.sampled_from([-5, 0, 1, 30]))
    def set_clock(self, hours: int) -> None:
        self.now += timedelta(hours=hours)

    @rule(is_crash=st.booleans())
    def restart(self, is_crash: bool) -> None:
        if is_crash:
            left = Path(mkdtemp(dir=self.empty.parent))
            for file in self.folder.glob("record.duckdb*"):
                shutil.copy(file, left / file.name)
            self.teardown()
            self.folder = left
        else:
            self.record.close()
        self.record = open_file(self.folder)

    @invariant()
    def holds_what_the_model_does(self) -> None:
        for talk, messages in self.model.talks.items():
            assert conversation_messages(self.record, conversation_id=talk) == messages
        for (name, who), mind in self.model.minds.items():
            kept = feedback_of(self.record, message_id=name, voter=who)
            assert kept is not None
            assert Mind(kept.vote, kept.reasons, kept.comment, kept.ideal_answer) == mind
        for talk in {key[0] for key in self.model.scores}:
            stand = {
                (talk, s.message_id, s.voter, s.name): s.value for s in scores_in(self.record, conversation_id=talk)
            }
            wanted = {key: value for key, value in self.model.scores.items() if key[0] == talk and value is not None}
            assert stand == wanted
        assert counted(self.record, "scores") == self.model.score_changes
        for name, ruling in self.model.rulings.items():
            assert review_of(self.record, message_id=name) == ruling
        assert counted(self.record, "feedback") == len(self.model.minds)
        assert counted(self.record, "feedback") + counted(self.record, "feedback_history") == self.model.changes
        assert counted(self.record, "review_history") == self.model.overruled


def with_commit(record: Cursor, change: Callable[[], T]) -> T:
    record.begin()
    done = change()
    record.commit()
    return done


def counted(record: Cursor, table: str) -> int:
    return int(record.execute(f"select count(*) from {table}").fetchall()[0][0])


def test_the_record_holds_what_the_model_does(blank_record: Path, tmp_path: Path) -> None:
    RecordMachine.empty = Path(shutil.copy(blank_record, tmp_path / "record.duckdb"))
    run_state_machine_as_test(
        RecordMachine,
        settings=settings(max_examples=8, stateful_step_count=20, deadline=None, derandomize=True, database=None),
    )
