"""How many of the signals that next turns give are found, how many are none, and what does it cost to ask for them?

Marked turns (bench/signals.toml): public chats, every next turn of which was read and marked by hand. Beside them,
turns that their authors marked as thanks, farewells, yes and no (customer_turns), where anything found is a false
alarm; pairs of questions of one intent and of two (banking77) for a question asked again; chats with a known outcome;
and gaps: questions of intents that a record holds and of intents that it does not. The cost is measured in a record of
made chats: one page of the review queue, of the gaps, and the turns looked through a second, beside a plain count over
all texts. Says nothing of doubts, which want an engine.
Run: python bench/signals.py [--quick] [--data FOLDER]   The last line is one JSON object.
"""

import argparse
import gzip
import itertools
import json
import random
import time
import tomllib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import duckdb

from collect.conversations import record_turn
from collect.feedback import Opinion, record_opinion
from collect.formats.read import ParsedConversation
from collect.gaps import list_gaps
from collect.imports import import_conversations
from collect.migrations.runner import migrate
from collect.review_queue import list_queue
from collect.signals.detect import Kind, NextTurn, find_signals
from collect.signals.found import keep_span, look_at_span
from collect.signals.phrases import Phrases, read_phrases
from collect.store import Cursor
from nightschool.records import BotName, ChatMessage, Conversation, Message, Source, Vote, new_id

BOT: Final = BotName("support")
AT: Final = datetime(2026, 3, 1, tzinfo=UTC)
SEED: Final = 17
PUBLIC: Final = Path(__file__).parents[2] / "shared" / "data"
MARKS: Final = Path(__file__).with_name("signals.toml")
FRESH: Final = "fresh"
"""Of the marks: chats that nobody had read when the phrases were written."""
READ: Final = (Kind.CORRECTION, Kind.ESCALATION, Kind.REPHRASE)
POLITE: Final = frozenset({"thankyou", "closinggreeting", "rejection", "confirmation"})
PAIRS: Final = 2_000
KNOWN_INTENTS: Final = 55


@dataclass(slots=True)
class Score:
    """Of one kind of signal."""

    hits: int = 0
    false: list[str] = field(default_factory=list)
    missed: list[str] = field(default_factory=list)

    @property
    def precision(self) -> float:
        return self.hits / max(self.hits + len(self.false), 1)

    @property
    def recall(self) -> float:
        return self.hits / max(self.hits + len(self.missed), 1)

    def note(self, name: str, *, is_there: bool, is_found: bool) -> None:
        self.hits += is_there and is_found
        if is_found and not is_there:
            self.false.append(name)
        if is_there and not is_found:
            self.missed.append(name)

    def line(self, what: str) -> str:
        counts = f"{self.hits} | {len(self.false)} | {len(self.missed)}"
        return f"| {what} | {self.precision:.2f} | {self.recall:.2f} | {counts} |"


def read_rows(file: Path) -> list[dict[str, Any]]:
    with gzip.open(file, "rt", encoding="utf-8") as opened:
        return [json.loads(line) for line in opened]


def next_turns(messages: Sequence[Mapping[str, Any]]) -> Iterator[tuple[int, NextTurn]]:
    """With their places."""
    said = [m for m in messages if m["role"] == "user" or (m["role"] == "assistant" and m["content"])]
    for place in range(2, len(said)):
        before, answer, now = said[place - 2 : place + 1]
        if [before["role"], answer["role"], now["role"]] == ["user", "assistant", "user"]:
            yield place, NextTurn(before["content"], answer["content"], now["content"])


def kinds_in(turn: NextTurn, phrases: Phrases) -> set[Kind]:
    return {signal.kind for signal in find_signals(turn, phrases=phrases)}


def score_marked(data: Path, phrases: Phrases, *, is_fresh: bool) -> dict[Kind, Score]:
    scores = {kind: Score() for kind in READ}
    for part, marks in tomllib.loads(MARKS.read_text()).items():
        if (part == FRESH) != is_fresh:
            continue
        there = {kind: set(marks[kind.value].split()) for kind in READ}
        for row in read_rows(data / marks["file"])[marks["first"] - 1 :: marks["every"]]:
            for place, turn in next_turns(row["messages"]):
                name = f"{row['id'].removeprefix(marks['prefix'])}#{place}"
                found = kinds_in(turn, phrases)
                for kind in READ:
                    scores[kind].note(name, is_there=name in there[kind], is_found=kind in found)
    return scores


def count_false_alarms(data: Path, phrases: Phrases) -> tuple[Counter[str], int]:
    """Of each kind, over turns that are thanks, farewells, yes and no."""
    alarms: Counter[str] = Counter()
    turns = 0
    for row in read_rows(data / "customer_turns/multidogo.jsonl.gz"):
        for before, now in itertools.pairwise(row["turns"]):
            if set(now["intents"]) <= POLITE:
                turns += 1
                alarms.update(kinds_in(NextTurn(before["text"], "Anything else?", now["text"]), phrases))
    return alarms, turns


def score_rephrased(data: Path, phrases: Phrases) -> Score:
    """Two questions of one intent are the same one in other words."""
    rows = read_rows(data / "banking77/train.jsonl.gz")
    by_intent: dict[str, list[str]] = {}
    for row in rows:
        by_intent.setdefault(row["intent"], []).append(row["text"])
    rng, score = random.Random(SEED), Score()
    for _ in range(PAIRS):
        same, other = rng.sample(sorted(by_intent), 2)
        for is_same in (True, False):
            one, two = (
                rng.sample(by_intent[same], 2)
                if is_same
                else (rng.choice(by_intent[same]), rng.choice(by_intent[other]))
            )
            found = Kind.REPHRASE in kinds_in(NextTurn(one, "Please wait.", two), phrases)
            score.note(f"{one} / {two}", is_there=is_same, is_found=found)
    return score


def solved_shares(data: Path, phrases: Phrases) -> tuple[float, float, int]:
    """How many cases were solved, with a signal and without one, and in how many chats there is one."""
    solved: dict[bool, list[float]] = {True: [], False: []}
    for row in read_rows(data / "outcomes/tau_airline.jsonl.gz"):
        has_signal = any(kinds_in(turn, phrases) for _, turn in next_turns(row["messages"]))
        solved[has_signal].append(row["reward"])
    shares = [sum(solved[has]) / max(len(solved[has]), 1) for has in (True, False)]
    return shares[0], shares[1], len(solved[True])


def fresh_record() -> Cursor:
    connection = duckdb.connect()
    connection.execute("set global TimeZone = 'UTC'")
    connection.execute("set threads = 2")
    migrate(connection)
    return connection


def score_gaps(data: Path, *, known_each: int, asked_each: int) -> Score:
    """Questions of intents that the record holds in other words, and of intents that it does not."""
    rng = random.Random(SEED)
    by_intent: dict[str, list[str]] = {}
    for row in read_rows(data / "banking77/train.jsonl.gz"):
        by_intent.setdefault(row["intent"], []).append(row["text"])
    intents = sorted(by_intent)
    rng.shuffle(intents)
    score = Score()
    with fresh_record() as cursor:
        asked: dict[str, bool] = {}
        for place, intent in enumerate(intents):
            chosen = rng.sample(by_intent[intent], min(known_each + asked_each, len(by_intent[intent])))
            is_known = place < KNOWN_INTENTS
            if is_known:
                import_conversations(
                    cursor,
                    bot=BOT,
                    conversations=[parsed(text) for text in chosen[asked_each:]],
                    is_held_out=None,
                    at=AT,
                )
            asked |= dict.fromkeys(chosen[:asked_each], not is_known)
        for question in asked:
            dislike(cursor, question)
        found = {gap.question for gap in list_gaps(cursor)}
    for question, is_gap in asked.items():
        score.note(question, is_there=is_gap, is_found=question in found)
    return score


def parsed(question: str) -> ParsedConversation:
    return ParsedConversation(
        0, (ChatMessage(role="user", content=question), ChatMessage(role="assistant", content="Like this."))
    )


def dislike(cursor: Cursor, question: str) -> None:
    talk = Conversation(new_id(), BOT, "browser:ada", Source.CHAT, question, AT)
    asked = Message(new_id(), talk.conversation_id, BOT, None, "user", question, Source.CHAT, AT)
    said = Message(new_id(), talk.conversation_id, BOT, asked.message_id, "assistant", "No.", Source.CHAT, AT)
    record_turn(cursor, conversation=talk, messages=[asked, said])
    record_opinion(cursor, message_id=said.message_id, voter="browser:ada", opinion=Opinion(Vote.DOWN), at=AT)


# Chats of six messages; one in five turns gives something away, one answer in thirty is disliked, half are imported.
FILL: Final = """
insert into messages (message_id, conversation_id, bot, parent_id, role, content, source, created_at, position,
    adapter_hash, prompt_tokens, completion_tokens, sampling_json)
select printf('m%09d', i), printf('c%09d', i // 6), 'support',
    case when i % 6 > 0 then printf('m%09d', i - 1) end,
    case when i % 2 = 0 then 'user' else 'assistant' end,
    case when i % 2 = 1 then 'We will look into it and tell you what we find, within the week. ' || md5(i::text)
        when i % 10 = 4 then 'That is not what I asked about ' || md5((i // 50)::text)
        else 'How do I ' || ['return', 'repair', 'order', 'cancel', 'water'][1 + (hash(i) % 5)::bigint] || ' my '
            || ['planter', 'lamp', 'probe', 'plan', 'pot'][1 + (hash(i + 1) % 5)::bigint]
            || ' ' || left(md5((i % 977)::text), 6) || '?'
    end,
    case when (i // 6) % 2 = 0 then 'import' else 'chat' end,
    timestamptz '2026-01-01' + to_milliseconds(i * 4000), i + 1, '', 0, 0, '{}'
from range($messages) as r(i)
"""
VOTE: Final = """
insert into feedback (opinion_id, message_id, voter, bot, vote, reasons, comment, ideal_answer, voted_at)
select 'opinion-' || position, message_id, 'browser:' || position, bot,
    case when position % 3 = 0 then 'up' else 'down' end, [], '', '',
    created_at
from messages where role = 'assistant' and source = 'chat' and position % 10 = 0
"""
SCAN: Final = "select count(*) from messages where content like '%what I asked%'"


def time_questions(messages: int, phrases: Phrases) -> dict[str, float]:
    with fresh_record() as cursor:
        cursor.execute(FILL, {"messages": messages})
        cursor.execute(VOTE)
        turns, found, began = 0, 0, time.perf_counter()
        while (span := look_at_span(cursor, phrases=phrases)) is not None:
            keep_span(cursor, span=span)
            turns, found = turns + (span.up_to - span.after) // 2, found + len(span.found)
        looked_s = time.perf_counter() - began
        now = AT + timedelta(days=60)
        return {
            "messages": messages,
            "signals": found,
            "turns_per_s": round(turns / looked_s),
            "queue_s": fastest(lambda: list_queue(cursor, now=now)),
            "queue_of_a_signal_s": fastest(lambda: list_queue(cursor, now=now, kind=Kind.CORRECTION)),
            "nothing_new_s": fastest(lambda: look_at_span(cursor, phrases=phrases)),
            "gaps_s": fastest(lambda: list_gaps(cursor)),
            "scan_s": fastest(lambda: cursor.execute(SCAN).fetchall()),
        }


def fastest(ask: Callable[[], object], *, times: int = 3) -> float:
    taken = []
    for _ in range(times):
        began = time.perf_counter()
        ask()
        taken.append(time.perf_counter() - began)
    return round(min(taken), 4)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a record of 100,000 messages instead of a million")
    parser.add_argument("--data", type=Path, default=PUBLIC, help="folder with the public data")
    parser.add_argument("--misses", action="store_true", help="name what was missed and what was none")
    given = parser.parse_args()
    phrases = read_phrases()
    figures: dict[str, Any] = {}
    if given.data.exists():
        figures = judge(given.data, phrases, names_misses=given.misses)
    cost = time_questions(100_000 if given.quick else 1_000_000, phrases)
    print("| cost | |\n|---|---|")
    for what, value in cost.items():
        print(f"| {what} | {value:,} |")
    print(json.dumps(figures | cost))


def judge(data: Path, phrases: Phrases, *, names_misses: bool) -> dict[str, Any]:
    scores = {kind.value: score for kind, score in score_marked(data, phrases, is_fresh=False).items()}
    fresh = score_marked(data, phrases, is_fresh=True)
    scores |= {f"{kind}_fresh": fresh[kind] for kind in (Kind.CORRECTION, Kind.ESCALATION)}
    scores["rephrase_by_intent"] = score_rephrased(data, phrases)
    scores["gap"] = score_gaps(data, known_each=30, asked_each=2)
    print("| what | precision | recall | found | false | missed |\n|---|---|---|---|---|---|")
    for what, score in scores.items():
        print(score.line(what))
    if names_misses:
        for what, score in scores.items():
            print(what, "false:", *score.false[:40], sep="\n  ")
            print(what, "missed:", *score.missed[:40], sep="\n  ")
    alarms, turns = count_false_alarms(data, phrases)
    with_signal, without, chats = solved_shares(data, phrases)
    print(f"\nFalse alarms in {turns} turns of thanks, farewell, yes and no: {dict(alarms)}")
    print(f"Solved: {with_signal:.0%} of {chats} chats with a signal, {without:.0%} of the others\n")
    return {
        "precision": {what: round(score.precision, 3) for what, score in scores.items()},
        "recall": {what: round(score.recall, 3) for what, score in scores.items()},
        "false_alarms": round(sum(alarms.values()) / turns, 4),
        "solved_with_signal": round(with_signal, 3),
        "solved_without": round(without, 3),
    }


if __name__ == "__main__":
    main()
