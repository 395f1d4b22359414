"""Does the record lose or double what it acknowledged, wherever the server is killed and whatever the disk does?

A child process opens the record as a server does and lets eight writers say turns and votes; each is noted in a file
once it was acknowledged. It is killed with SIGKILL at a random moment, among folds of the log, which happen every few
moments here. The next child opens the same record and compares it with the notes before it goes on. Some rounds run on
a small disk of its own (tmpfs) that is filled while they run, or that may only be read when they start; without the
right to mount one, a limit on the size of files (RLIMIT_FSIZE) stands in for the full disk and read-only rounds are
left out, and the table says so. Does not pull the plug: what was handed to the disk counts as kept.
Run: python bench/crash.py [--quick]   The last line is one JSON object.
"""

import argparse
import asyncio
import json
import os
import random
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

from collect.conversations import Told, record_turns
from collect.feedback import Opinion, Said, record_opinions
from collect.store import Cursor, Store, open_store
from collect.writer import Writer
from nightschool.errors import NightschoolError
from nightschool.records import BotName, Conversation, Message, Source, Vote, new_id, utc_now

ROOT: Final = Path(__file__).parents[1]
KILLS, QUICK_KILLS = 200, 20
FULL_EACH, READ_ONLY_EACH = 10, 20
"""Of so many rounds, one has a full disk, and one a disk that may only be read."""
WRITERS: Final = 8
FOLD_BYTES: Final = 64 * 1024
DISK_MIB: Final = 96
FREE_KIB: Final = 100
"""What a full disk has left at the start of its round."""
SHORTEST_FULL_S: Final = 0.7
LONGEST_S: Final = 1.5
TEXT: Final = "Where is my order? I have been waiting since last week. " * 20
BOT: Final = BotName("support")
REFUSED: Final = 6
VOTES: Final = "select message_id, vote from feedback union all select message_id, vote from feedback_history"
"""Exit code of a child that could not open the record."""


class Seen(NamedTuple):
    acknowledged: int
    lost: int
    doubled: int


def turn() -> Told:
    conversation, asked, said = new_id(), new_id(), new_id()
    at = utc_now()
    talk = Conversation(conversation, BOT, "browser:1", Source.CHAT, "Order", at)
    question = Message(asked, conversation, BOT, None, "user", TEXT, Source.CHAT, at)
    answer = Message(said, conversation, BOT, asked, "assistant", TEXT, Source.CHAT, at, version=1)
    return Told(talk, (question, answer))


async def write_on(store: Store, notes: int) -> None:
    """Turns and votes without end; each line of the notes is one that was acknowledged."""
    while True:
        try:
            told = turn()
            said = told.messages[-1].message_id
            await store.write_row(record_turns, told)
            os.write(notes, f"turn {said}\n".encode())
            for vote in (Vote.UP, Vote.DOWN):
                await store.write_row(record_opinions, Said(said, "browser:1", Opinion(vote), utc_now()))
                os.write(notes, f"vote {said} {vote}\n".encode())
        except NightschoolError:
            os.write(notes, b"refused\n")
            await asyncio.sleep(0.05)


def compare(cursor: Cursor, notes: list[list[str]]) -> Seen:
    """What was acknowledged, against the rows."""
    answers = Counter(
        name for (name,) in cursor.execute("select message_id from messages where role <> 'user'").fetchall()
    )
    questions = dict(cursor.execute("select conversation_id, count(*) from messages group by all").fetchall())
    votes = Counter(cursor.execute(VOTES).fetchall())
    turns = [note[1] for note in notes if note[0] == "turn"]
    voted = [(note[1], note[2]) for note in notes if note[0] == "vote"]
    lost = sum(name not in answers for name in turns) + sum(vote not in votes for vote in voted)
    halves = sum(count != 2 for count in questions.values())
    doubled = sum(count > 1 for count in (*answers.values(), *votes.values())) + halves
    return Seen(len(turns) + len(voted), lost, doubled)


async def serve(folder: Path, *, full: bool) -> None:
    """One life of the server: look, say so, go on until killed."""
    defaults = Writer.__init__.__kwdefaults__
    assert defaults is not None
    defaults["fold_bytes"] = FOLD_BYTES
    path = folder / "notes"
    notes = [line.split() for line in path.read_text().splitlines()] if path.exists() else []
    async with open_store(folder / "record.duckdb", temp=folder / "temp", memory_gib=0.5, threads=1) as store:
        seen = await store.read(partial(compare, notes=notes))
        print(json.dumps(seen._asdict()), flush=True)
        if full:
            limit_files(folder)
        handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        async with asyncio.TaskGroup() as group:
            group.create_task(store.until_failure())
            for _ in range(WRITERS):
                group.create_task(write_on(store, handle))


def limit_files(folder: Path) -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    size = max(path.stat().st_size for path in folder.iterdir() if path.is_file()) + FREE_KIB * 1024
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


class Lives:
    """Lives of servers, and how many were ended by SIGKILL."""

    def __init__(self) -> None:
        self.kills = 0

    def live(self, folder: Path, *, seconds: float, full: bool = False) -> Seen | None:
        """One life; None where the record was not opened."""
        command = [sys.executable, __file__, "--serve", str(folder), *(["--full"] if full else [])]
        child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT)
        assert child.stdout is not None
        line = child.stdout.readline()
        if line:
            time.sleep(seconds)
            self.kills += child.poll() is None
            child.kill()
        _, errors = child.communicate()
        if not line and child.returncode != REFUSED:
            raise RuntimeError(f"a life ended early with {child.returncode}: {errors[-2_000:]}")
        return Seen(**json.loads(line)) if line else None

    def live_on_a_full_disk(self, folder: Path, *, seconds: float) -> None:
        ballast = folder / "ballast"
        disk = os.statvfs(folder)
        ballast.write_bytes(bytes(max(0, disk.f_bavail * disk.f_frsize - FREE_KIB * 1024)))
        self.live(folder, seconds=seconds)
        self.live(folder, seconds=seconds)  # a start without room
        ballast.unlink()

    def live_read_only(self, folder: Path) -> bool:
        """Whether a start was refused, as it should be."""
        subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True)
        was_refused = self.live(folder, seconds=0) is None
        subprocess.run(["mount", "-o", "remount,rw", str(folder)], check=True)
        return was_refused


@contextmanager
def small_disk(folder: Path) -> Iterator[bool]:
    """A disk of its own below `folder`, where this machine lets us have one."""
    folder.mkdir()
    size = ["-o", f"size={DISK_MIB}m", "tmpfs", str(folder)]
    is_mounted = subprocess.run(["mount", "-t", "tmpfs", *size], check=False, capture_output=True).returncode == 0
    try:
        yield is_mounted
    finally:
        if is_mounted:
            subprocess.run(["umount", "-l", str(folder)], check=True)


def run(kills: int, *, seed: int) -> dict[str, int | bool]:
    chance, lives = random.Random(seed), Lives()
    number = full = read_only = refused_starts = 0
    with tempfile.TemporaryDirectory(prefix="nightschool-crash-") as name:
        usual, small = Path(name) / "usual", Path(name) / "small"
        notes = Path(name) / "notes-of-small"
        usual.mkdir()
        with small_disk(small) as is_mounted:
            # What was acknowledged must be noted though the disk is full.
            (small / "notes").symlink_to(notes)
            while lives.kills < kills:
                number += 1
                seconds = chance.uniform(0, LONGEST_S)
                if number % READ_ONLY_EACH == READ_ONLY_EACH // 2 and is_mounted:
                    read_only += 1
                    refused_starts += lives.live_read_only(small)
                elif number % FULL_EACH == FULL_EACH // 2:
                    full += 1
                    seconds = max(seconds, SHORTEST_FULL_S)
                    if is_mounted:
                        lives.live_on_a_full_disk(small, seconds=seconds)
                    else:
                        lives.live(small, seconds=seconds, full=True)
                else:
                    lives.live(usual, seconds=seconds)
                if number % 10 == 0:
                    print(f"{lives.kills} of {kills} kills", file=sys.stderr, flush=True)
            counted = lives.kills
            seen = [last for folder in (usual, small) if (last := lives.live(folder, seconds=0))]
            refusals = notes.read_text().count("refused")
    return {
        "kills": counted, "disk_full_rounds": full, "read_only_rounds": read_only, "read_only_refused": refused_starts,
        "has_own_disk": is_mounted, "refused_writes": refusals, "acknowledged": sum(part.acknowledged for part in seen),
        "lost": sum(part.lost for part in seen), "doubled": sum(part.doubled for part in seen),
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--full", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve:
        try:
            asyncio.run(serve(given.serve, full=given.full))
        except (NightschoolError, ExceptionGroup):
            sys.exit(REFUSED)
        return
    figures = run(QUICK_KILLS if given.quick else KILLS, seed=given.seed)
    print("| what | count |\n|---|---|")
    for what, count in figures.items():
        print(f"| {what.replace('_', ' ')} | {count} |")
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
