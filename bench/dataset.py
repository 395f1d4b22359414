"""How fast does a record become a dataset, and in how much memory?

A record of a million messages is made up (seeded): words by Zipf's law in sentences of a few hundred topics, nine in
twenty conversations imported, the others browsers' chats and an application's calls over the API, which send their
history along; of the chats a fifth of the answers are voted on, a hundredth reviewed; one conversation in twelve nearly
repeats another. It is written as the record writes a snapshot. Then, each in a process of its own, the dataset is
built, and DuckDB scans the same tables once (every column, and every conversation's messages counted). On a busy
machine look at `build_cpu_s`, the processor's seconds.
Says nothing of how well anything is learnt, nor of real wording (`bench/split.py` builds from public chats).
Run: python bench/dataset.py [--quick] [--messages N] [--keep FOLDER]   The last line is one JSON object.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from nightschool.files import publish
from tune.dataset import build_dataset

MESSAGES: Final = 1_000_000
QUICK: Final = 100_000
LIMIT_S: Final = 60
LIMIT_MB: Final = 2_000
SEED: Final = 17
START: Final = datetime(2026, 1, 1, tzinfo=UTC)
VOCABULARY: Final = 60_000
TOPICS: Final = 400
TOPIC_WORDS: Final = 60
ZIPF: Final = 1.07
IMPORTED: Final = 0.45
OVER_API: Final = 0.05
TWIN: Final = 1 / 12
VOTED: Final = 0.2
DOWN: Final = 0.3
IDEAL: Final = 0.1
REVIEWED: Final = 0.01
TALKS_OF_A_BROWSER: Final = 3
TIME: Final = pa.timestamp("us", tz="UTC")
SCHEMAS: Final = {
    "conversations": pa.schema(
        [("conversation_id", pa.string()), ("owner", pa.string()), ("source", pa.string()), ("created_at", TIME),
         ("is_held_out", pa.bool_()), ("topic", pa.string()), ("side", pa.string())]
    ),
    "messages": pa.schema(
        [("message_id", pa.string()), ("conversation_id", pa.string()), ("parent_id", pa.string()),
         ("role", pa.string()), ("content", pa.string()), ("source", pa.string()), ("created_at", TIME),
         ("version", pa.int64()), ("adapter_hash", pa.string()), ("finish", pa.string()), ("weight", pa.int64())]
    ),
    "feedback": pa.schema(
        [("message_id", pa.string()), ("voter", pa.string()), ("vote", pa.string()),
         ("reasons", pa.list_(pa.string())), ("comment", pa.string()), ("ideal_answer", pa.string()),
         ("voted_at", TIME), ("address", pa.string()), ("is_released", pa.bool_()),
         ("is_kept_out", pa.bool_())]
    ),
    "reviews": pa.schema(
        [("message_id", pa.string()), ("reviewer", pa.string()), ("approved", pa.bool_()),
         ("corrected_answer", pa.string()), ("tags", pa.list_(pa.string())), ("reviewed_at", TIME)]
    ),
}  # fmt: skip
SCAN: Final = """
select count(distinct c.owner), count(distinct m.conversation_id), count(*), sum(length(m.content)),
    count(distinct m.parent_id), max(m.created_at), count(m.version), count(distinct m.role), count(distinct m.source),
    count(m.adapter_hash), count(m.finish), sum(m.weight), count(f.vote), count(r.approved)
from read_parquet($messages) as m join read_parquet($conversations) as c using (conversation_id)
left join read_parquet($feedback) as f using (message_id) left join read_parquet($reviews) as r using (message_id)
"""


class Speaker:
    """Makes up what people say: every topic has words of its own among those that all share."""

    def __init__(self, seed: int) -> None:
        self._random = np.random.default_rng(seed)
        letters = np.array(list("etaoinshrdlucmfwypvbgkjqxz"))
        sizes = self._random.integers(2, 10, VOCABULARY)
        self._words = ["".join(self._random.choice(letters, size)) for size in sizes]
        shares = 1 / np.arange(1, VOCABULARY + 1) ** ZIPF
        self._shares = np.cumsum(shares / shares.sum())
        self._topics = self._random.integers(50, VOCABULARY, (TOPICS, TOPIC_WORDS))

    def say(self, topic: int, words: int) -> str:
        common = np.searchsorted(self._shares, self._random.random(words))
        own = self._topics[topic, self._random.integers(0, TOPIC_WORDS, words)]
        chosen = np.where(self._random.random(words) < 0.3, own, common)
        return " ".join([self._words[place] for place in chosen.tolist()])

    def turns(self, topic: int) -> list[str]:
        """Questions and answers by turns."""
        count = 1 + min(int(self._random.geometric(0.45)), 8)
        sizes = [
            int(self._random.integers(4, 16) if n % 2 == 0 else self._random.integers(12, 60)) for n in range(2 * count)
        ]
        return [self.say(topic, size) + ("?" if n % 2 == 0 else ".") for n, size in enumerate(sizes)]

    def reword(self, text: str) -> str:
        """One word in ten is another."""
        words = text.split()
        for place in np.flatnonzero(self._random.random(len(words)) < 0.1).tolist():
            words[place] = self._words[int(self._random.integers(0, 2_000))]
        return " ".join(words)

    def below(self, share: float) -> bool:
        return bool(self._random.random() < share)

    def topic(self) -> int:
        return int(TOPICS * self._random.random() ** 2)


@dataclass
class Writer:
    """Writes the tables in pieces."""

    folder: Path
    messages: int = 0
    talks: int = 0
    rows: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: {name: [] for name in SCHEMAS})
    files: dict[str, Any] = field(default_factory=dict)

    def add(self, table: str, **row: Any) -> None:
        self.rows[table].append(row)
        if len(self.rows[table]) >= 20_000:
            self.flush(table)

    def flush(self, table: str) -> None:
        if table not in self.files:
            self.files[table] = pq.ParquetWriter(self.folder / f"{table}.parquet", SCHEMAS[table])
        self.files[table].write_table(pa.Table.from_pylist(self.rows[table], schema=SCHEMAS[table]))
        self.rows[table].clear()

    def close(self) -> None:
        for table in SCHEMAS:
            self.flush(table)
            self.files[table].close()
        publish(self.folder, kind="snapshot", about={"taken_at": self.now().isoformat()})

    def talk(self, owner: str, source: str, *, topic: int) -> str:
        self.talks += 1
        name = f"talk-{self.talks:010}-0000-0000-000000000000"
        self.add("conversations", conversation_id=name, owner=owner, source=source, created_at=self.now(),
                 topic=f"topic {topic}" if source == "import" else None)  # fmt: skip
        return name

    def say(self, talk: str, content: str, *, role: str, source: str, parent: str | None) -> str:
        self.messages += 1
        name = f"said-{self.messages:010}-0000-0000-000000000000"
        is_ours = role == "assistant" and source != "import"
        self.add("messages", message_id=name, conversation_id=talk, parent_id=parent, role=role, content=content,
                 source=source, created_at=self.now(), version=1 if is_ours else None, adapter_hash="",
                 finish="stop" if is_ours else None, weight=None)  # fmt: skip
        return name

    def now(self) -> datetime:
        return START + timedelta(seconds=20 * self.messages + self.talks)


def make_record(folder: Path, *, messages: int) -> Writer:
    folder.mkdir(parents=True)
    speaker, writer = Speaker(SEED), Writer(folder)
    told: list[tuple[int, list[str]]] = []
    while writer.messages < messages:
        topic = speaker.topic()
        turns = speaker.turns(topic)
        if told and speaker.below(TWIN):
            topic, before = told[writer.talks % len(told)]
            turns = [speaker.reword(text) for text in before]
        if writer.talks % 50 == 0:
            told.append((topic, turns))
        if speaker.below(IMPORTED):
            write_talk(writer, turns, owner="import", source="import", topic=topic)
        elif speaker.below(OVER_API / (1 - IMPORTED)):
            for end in range(2, min(len(turns), 6) + 1, 2):
                write_talk(writer, turns[:end], owner="key:shop", source="api", topic=topic, speaker=speaker)
        else:
            owner = f"browser:{writer.talks // TALKS_OF_A_BROWSER}"
            write_talk(writer, turns, owner=owner, source="chat", topic=topic, speaker=speaker)
    writer.close()
    return writer


def write_talk(
    writer: Writer, turns: list[str], *, owner: str, source: str, topic: int, speaker: Speaker | None = None
) -> None:
    talk = writer.talk(owner, source, topic=topic)
    parent: str | None = None
    for place, text in enumerate(turns):
        is_answer = place % 2 == 1
        is_sent_along = source == "api" and place < len(turns) - 1
        parent = writer.say(
            talk, text, role="assistant" if is_answer else "user", parent=parent,
            source="client" if is_sent_along else source,
        )  # fmt: skip
        if speaker and is_answer and not is_sent_along:
            judge(writer, speaker, parent, text, owner=owner, topic=topic)


def judge(writer: Writer, speaker: Speaker, message_id: str, text: str, *, owner: str, topic: int) -> None:
    if speaker.below(VOTED):
        is_down = speaker.below(DOWN)
        ideal = speaker.say(topic, 20) if is_down and speaker.below(IDEAL) else ""
        writer.add("feedback", message_id=message_id, voter=owner, vote="down" if is_down else "up", reasons=[],
                   comment="", ideal_answer=ideal, voted_at=writer.now(), address=owner,
                   is_released=False, is_kept_out=False)  # fmt: skip
    if speaker.below(REVIEWED):
        corrected = speaker.reword(text) if speaker.below(0.3) else ""
        writer.add("reviews", message_id=message_id, reviewer="operator", approved=speaker.below(0.8),
                   corrected_answer=corrected, tags=[], reviewed_at=writer.now())  # fmt: skip


def build(folder: Path) -> None:
    """Prints what it cost: run in a process of its own."""
    began = time.perf_counter()
    summary = build_dataset(
        folder / "snapshot", folder / "sets", system_prompt="You are Fern. Be kind.", held_out_share=0.15, seed=SEED
    )
    spent = {"build_s": time.perf_counter() - began, "build_cpu_s": time.process_time()}
    told = spent | summary.model_dump()
    print(json.dumps(told | {"peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6}))


def scan(folder: Path) -> None:
    """The same for DuckDB alone."""
    files = {name: str(folder / "snapshot" / f"{name}.parquet") for name in SCHEMAS}
    began = time.perf_counter()
    with duckdb.connect(config={"threads": 2}) as connection:
        connection.execute(SCAN, files).fetchall()
    print(json.dumps({"scan_s": time.perf_counter() - began}))


def run_alone(what: str, folder: Path) -> dict[str, Any]:
    command = [sys.executable, __file__, what, str(folder)]
    told: dict[str, Any] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return told


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a tenth of it: about a minute, with its making")
    parser.add_argument("--messages", type=int, default=None)
    parser.add_argument("--keep", type=Path, help="make the record here, or take the one that is here")
    parser.add_argument("--build", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--scan", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.build or given.scan:
        build(given.build) if given.build else scan(given.scan)
        return
    messages = given.messages or (QUICK if given.quick else MESSAGES)
    with tempfile.TemporaryDirectory() as temp:
        measure(given.keep or Path(temp), messages=messages)


def measure(folder: Path, *, messages: int) -> None:
    if not (folder / "snapshot").exists():
        written = make_record(folder / "snapshot", messages=messages)
        print(f"made up: {written.messages} messages in {written.talks} conversations", flush=True)
    scanned, built = run_alone("--scan", folder), run_alone("--build", folder)
    size_mb = sum(file.stat().st_size for file in (folder / "snapshot").iterdir()) / 1e6
    print("| | |\n|---|---|")
    for name, value in rows_of(built):
        print(f"| {name} | {value} |")
    print(f"| the snapshot's files | {size_mb:.0f} MB |")
    figures = {
        "messages": messages,
        "build_s": round(built["build_s"], 1),
        "build_cpu_s": round(built["build_cpu_s"], 1),
        "scan_s": round(scanned["scan_s"], 2),
        "peak_mb": round(built["peak_mb"]),
        "limit_s": LIMIT_S,
        "limit_mb": LIMIT_MB,
    }
    print(json.dumps(figures))


def rows_of(built: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    yield "training rows; held out", f"{built['train_rows']}; {built['held_out_rows']}"
    yield "pairs; held out", f"{built['pairs']}; {built['held_out_pairs']}"
    yield "votes; held out", f"{built['votes']}; {built['held_out_votes']}"
    yield "conversations that were split", built["conversations"]
    yield "largest group of near-duplicates", built["largest_group"]


if __name__ == "__main__":
    main()
