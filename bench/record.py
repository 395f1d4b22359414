"""How fast is the record? Votes and turns a second until they are durable, questions, export, snapshot and import.

Votes come from 1, 32 and 256 writers at once, to an empty record and to a large one, beside two limits in the same run:
one insert a transaction by one thread, and appends of many rows from Arrow. First votes are by new voters, changes by
one who turns every opinion round. While a file is imported one person votes on. Votes are on answers far apart, which
is the worst case for a record that is larger than its caches.
Run: python bench/record.py [--quick]   The last line is one JSON object.
"""

import argparse
import asyncio
import json
import random
import tempfile
import time
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

import duckdb
import pyarrow as pa

from bench.common.filled import AT_ONCE, BEGUN_AT, BOT, TURNS_A_TALK, answer_id, fill, opened, turn
from bench.common.record_bulk import measure_bulk
from collect import conversations, feedback, status
from collect.conversations import record_turns
from collect.feedback import Opinion, Said, record_opinions
from collect.store import Cursor, Store
from nightschool.records import Vote, utc_now

TABLE: Final = """
create table votes (message_id text, voter text, vote text, comment text, voted_at timestamptz,
    primary key (message_id, voter))
"""
ONE_ROW: Final = "insert into votes values ($message_id, 'ada', 'up', '', $at)"
MANY_ROWS: Final = "insert into votes select message_id, voter, vote, comment, voted_at from incoming"
BULK_ROWS: Final = 2_000
LISTS: Final = frozenset({"list_feedback", "list_feedback of dislikes", "conversations_of", "count"})
"""What a page waits for."""


class Plan(NamedTuple):
    messages: int
    seconds: float
    import_talks: int


FULL: Final = Plan(messages=1_000_000, seconds=5, import_talks=30_000)
QUICK: Final = Plan(messages=100_000, seconds=2, import_talks=5_000)


class Pace(NamedTuple):
    per_s: float
    p50_ms: float
    p99_ms: float


async def measure_pace(act: Callable[[], Awaitable[object]], *, writers: int, seconds: float) -> Pace:
    waits: list[float] = []
    begun = time.perf_counter()

    async def write() -> None:
        while (start := time.perf_counter()) < begun + seconds:
            await act()
            waits.append(time.perf_counter() - start)

    await asyncio.gather(*(write() for _ in range(writers)))
    waits.sort()
    elapsed_s = time.perf_counter() - begun
    return Pace(len(waits) / elapsed_s, 1e3 * waits[len(waits) // 2], 1e3 * waits[int(0.99 * len(waits))])


async def measure_writers(store: Store, *, answers: int, seconds: float) -> dict[str, Pace]:
    """Votes by new voters on answers in random order, changes of one voter's on `AT_ONCE` of them, and turns of new
    conversations."""
    draw = random.Random(17)
    numbers = iter(range(10**9))
    changes = iter(range(10**9))
    began = f"{time.time_ns()}-"

    async def vote() -> None:
        said = Said(answer_id(draw.randrange(answers)), f"voter:{next(numbers)}", Opinion(Vote.UP), utc_now())
        await store.write_row(record_opinions, said)

    async def change() -> None:
        times, place = divmod(next(changes), AT_ONCE)
        opinion = Opinion(Vote.DOWN if times % 2 else Vote.UP)
        said = Said(answer_id(place * (answers // AT_ONCE)), "voter:fickle", opinion, utc_now())
        await store.write_row(record_opinions, said)

    async def tell() -> None:
        await store.write_row(record_turns, turn(TURNS_A_TALK * next(numbers), began))

    paces = {}
    for kind, act in (("votes", vote), ("changes", change), ("turns", tell)):
        for writers in (1, 32, 256):
            paces[f"{kind} {writers}"] = await measure_pace(act, writers=writers, seconds=seconds)
    return paces


def measure_limits(folder: Path, *, seconds: float) -> tuple[float, float]:
    """Rows a second: one insert a transaction, and many from Arrow a transaction."""
    with duckdb.connect(folder / "plain.duckdb", config={"threads": 2}) as connection:
        connection.execute(TABLE)
        begun, singles = time.perf_counter(), 0
        while time.perf_counter() < begun + seconds:
            connection.execute(ONE_ROW, {"message_id": f"single-{singles}", "at": BEGUN_AT})
            singles += 1
        single_per_s = singles / (time.perf_counter() - begun)
        begun, groups = time.perf_counter(), 0
        while time.perf_counter() < begun + seconds:
            names = [f"bulk-{groups}-{number}" for number in range(BULK_ROWS)]
            columns = {"voter": "ada", "vote": "up", "comment": "", "voted_at": BEGUN_AT}
            incoming = pa.table({"message_id": names} | {name: [value] * BULK_ROWS for name, value in columns.items()})
            connection.register("incoming", incoming)
            connection.execute(MANY_ROWS)
            groups += 1
        return single_per_s, groups * BULK_ROWS / (time.perf_counter() - begun)


async def measure_questions(store: Store, *, answers: int) -> dict[str, float]:
    """Milliseconds, the middle one of five."""
    middle = answers // 2
    talk = turn(middle).conversation
    questions: dict[str, Callable[[Cursor], object]] = {
        "list_feedback": partial(feedback.list_feedback, bot=BOT),
        "list_feedback of dislikes": partial(feedback.list_feedback, vote=Vote.DOWN),
        "conversations_of": partial(conversations.conversations_of, bot=BOT, owner=talk.owner),
        "count": partial(status.count, bot=BOT),
        "conversation": partial(conversations.conversation, conversation_id=talk.conversation_id),
        "conversation_messages": partial(conversations.conversation_messages, conversation_id=talk.conversation_id),
        "message": partial(conversations.message, message_id=answer_id(middle), bot=BOT),
        "path_to": partial(conversations.path_to, message_id=answer_id(middle)),
        "feedback_in": partial(feedback.feedback_in, conversation_id=talk.conversation_id, voter=talk.owner),
        "feedback_of": partial(feedback.feedback_of, message_id=answer_id(middle), voter=talk.owner),
    }
    found = {}
    for name, question in questions.items():
        times = []
        for _ in range(5):
            begun = time.perf_counter()
            await store.read(question)
            times.append(1e3 * (time.perf_counter() - begun))
        found[name] = sorted(times)[2]
    return found


def print_paces(title: str, paces: dict[str, Pace]) -> None:
    for name, pace in paces.items():
        print(f"| {title} | {name} | {pace.per_s:,.0f} | {pace.p50_ms:.1f} | {pace.p99_ms:.1f} |", flush=True)


async def measure(folder: Path, plan: Plan) -> dict[str, float]:
    single_per_s, bulk_per_s = measure_limits(folder, seconds=plan.seconds)
    print("| record | writers | a second | p50 ms | p99 ms |\n|---|---|---|---|---|")
    print(f"| plain | one insert a transaction | {single_per_s:,.0f} | | |\n| plain | Arrow | {bulk_per_s:,.0f} | | |")
    (folder / "empty").mkdir(exist_ok=True)
    async with opened(folder / "empty") as store:
        await fill(store, messages=2 * AT_ONCE)
        empty = await measure_writers(store, answers=AT_ONCE, seconds=plan.seconds)
        print_paces("empty", empty)
    async with opened(folder) as store:
        await fill(store, messages=plan.messages)
        await store.fold()
        questions = await measure_questions(store, answers=plan.messages // 2)
        large = await measure_writers(store, answers=plan.messages // 2, seconds=plan.seconds)
        print_paces(f"{plan.messages:,} messages", large)
        bulk = await measure_bulk(store, folder, import_talks=plan.import_talks)
    for name, figure in (questions | bulk).items():
        print(f"| {name} | {figure:.1f} |")
    return {
        "messages": plan.messages,
        "single_per_s": single_per_s,
        "speedup_1": empty["votes 1"].per_s / single_per_s,
        "speedup_256": empty["votes 256"].per_s / single_per_s,
        "speedup_256_1m": large["votes 256"].per_s / single_per_s,
        "changes_per_s_256": empty["changes 256"].per_s,
        "changes_per_s_256_1m": large["changes 256"].per_s,
        "share_of_bulk_limit_256": empty["votes 256"].per_s / bulk_per_s,
        "p99_ms_32": empty["votes 32"].p99_ms,
        "p99_ms_32_1m": large["votes 32"].p99_ms,
        "lists_ms_1m": max(questions[name] for name in LISTS),
        "slowest_query_ms_1m": max(questions.values()),
        **bulk,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="100,000 messages in place of a million")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        figures = asyncio.run(measure(Path(folder), QUICK if given.quick else FULL))
    print(json.dumps({name: round(figure, 3) for name, figure in figures.items()}))


if __name__ == "__main__":
    main()
