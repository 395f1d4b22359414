"""Find and remove what nights, exams and caches made of rows of the record that are erased.

What can be told apart by ids goes alone: datasets, snapshots, and of the nights that used them whatever is made of
people's words. Caches, which only save time, go whole. Each removal is noted first, with a hash, so that a certificate
can name it though a kill came in between. Does not know the record.
"""

import json
import shutil
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict

from deploy.known import ORDER
from deploy.morning import NAME as MORNING
from deploy.plan import NightFolder
from deploy.retention import RUN_KEEPS
from eval.suite.golden import read_file, write_file
from nightschool.files import MANIFEST, content_hash, describe_files, hash_file, read_manifest, write_atomic
from nightschool.home import Home
from nightschool.records import BotName
from tune.holding import Held, Sought, find_held, holds_snapshot

NIGHT_KEEPS: Final = frozenset({"night.json", "dataset.json", ORDER, "run"})
"""Of a night whose rows are erased: what it was begun with, and its counts."""
NOT_WORDS: Final = RUN_KEEPS - {"train.log"}
LEAST_LETTERS: Final = 8
"""A shorter line is no sign of anybody."""
MOST_LINES: Final = 5_000
"""That are looked for in logs, the longest; each costs one pass over them."""


class Removed(BaseModel):
    """Something that was removed, as a certificate tells it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: str
    """Below the data folder."""
    what: str
    files: int
    size_bytes: int
    sha256: str
    """Of the file; of a folder, over its files' names and hashes."""


@dataclass(frozen=True, slots=True)
class HeldDataset:
    folder: Path
    content_hash: str
    """Empty where it was never finished."""
    held: Held


class Journal:
    """What was removed so far, in a file that outlives a kill."""

    def __init__(self, file: Path, *, root: Path) -> None:
        self._file = file
        self._root = root

    def remove(self, path: Path, what: str) -> None:
        """Note it, then remove it; a manifest goes first, since whoever finds one relies on the files beside it."""
        if not path.exists():
            return
        if path.is_file():
            self.note_file(path, what)
            path.unlink()
            return
        files = [file for file in path.rglob("*") if file.is_file()]
        size_bytes = sum(file.stat().st_size for file in files)
        self._note(path, what, files=len(files), size_bytes=size_bytes, sha256=content_hash(describe_files(path)))
        (path / MANIFEST).unlink(missing_ok=True)
        shutil.rmtree(path)

    def note_file(self, path: Path, what: str) -> None:
        """Something in it is about to be removed."""
        self._note(path, what, files=1, size_bytes=path.stat().st_size, sha256=hash_file(path))

    def _note(self, path: Path, what: str, *, files: int, size_bytes: int, sha256: str) -> None:
        name = str(path.relative_to(self._root))
        removed = Removed(path=name, what=what, files=files, size_bytes=size_bytes, sha256=sha256)
        self._file.parent.mkdir(parents=True, exist_ok=True)
        with self._file.open("a", encoding="utf-8") as lines:
            lines.write(removed.model_dump_json() + "\n")

    def read(self) -> list[Removed]:
        """Each path once, as it was noted first; a line that a kill cut off removed nothing."""
        found: dict[str, Removed] = {}
        for line in self._file.read_text(encoding="utf-8").splitlines() if self._file.exists() else []:
            try:
                removed = Removed.model_validate_json(line)
            except ValueError:
                continue
            found.setdefault(removed.path, removed)
        return list(found.values())

    def close(self) -> None:
        self._file.unlink(missing_ok=True)


def find_datasets(home: Home, bot: BotName, sought: Sought) -> list[HeldDataset]:
    """Of the bot those that hold any of it."""
    found = []
    for folder in _folders(home.datasets(bot)):
        held = find_held(folder, sought)
        manifest = read_manifest(folder)
        if held.is_any:
            found.append(HeldDataset(folder, manifest.content_hash if manifest else "", held))
    return found


def find_nights(home: Home, bot: BotName, sought: Sought, *, datasets: Collection[str]) -> list[NightFolder]:
    """Of the bot those that read any of it, or used one of these datasets, by their hashes."""
    nights = [NightFolder(folder) for folder in _folders(home.cycle(bot, "any").parent)]
    return [night for night in nights if holds_snapshot(night.snapshot, sought) or _used(night, datasets)]


def _used(night: NightFolder, datasets: Collection[str]) -> bool:
    """Whether it learnt from one of them; also where nobody can read any more from which it did."""
    data = night.read_dataset()
    return data.content_hash in datasets if data else night.dataset_file.exists()


def remove_nights(nights: Iterable[NightFolder], journal: Journal) -> None:
    """What they made of words: snapshot, run, exams and pages. That they were, and how they ended, stays."""
    for night in nights:
        for path in sorted(night.root.iterdir()):
            if path.name not in NIGHT_KEEPS:
                journal.remove(path, "page" if path.name == MORNING else "of a night")
        for path in sorted(night.run.glob("*")):
            if path.name not in NOT_WORDS:
                journal.remove(path, "of a training")


def remove_caches(home: Home, bot: BotName, journal: Journal) -> None:
    """Whatever only saves time, is compared by hand, or was left half done by a kill."""
    for folder, what in (
        (home.kept, "cache of trainings"),
        (home.exam_answers(bot), "cache of exams"),
        (home.reports(bot), "comparisons by hand"),
        (home.found(bot), "cache of personal data"),
    ):
        journal.remove(folder, what)
    for draft in (*home.temp.glob("plan-*"), *home.datasets(bot).glob(".draft-*")):
        journal.remove(draft, "draft")


def remove_golden(home: Home, bot: BotName, sought: Sought, journal: Journal) -> None:
    """Cases that operators made of erased answers."""
    file = home.golden(bot)
    made = {f"answer-{message_id[:8]}" for message_id in sought.messages}
    cases = read_file(file) if file.exists() else []
    kept = [case for case in cases if case.id not in made]
    if len(kept) == len(cases):
        return
    if not kept:
        journal.remove(file, "golden cases")
        return
    journal.note_file(file, f"golden cases ({len(cases) - len(kept)} of {len(cases)})")
    write_file(file, kept)


def remove_graded(home: Home, sought: Sought, journal: Journal) -> None:
    """Rows of evals under way that were taken from the log."""
    for file in home.evals.glob("*.jsonl"):
        with file.open("rb") as lines:
            named = {json.loads(line).get("message_id") for line in lines}
        if not named.isdisjoint(sought.messages):
            journal.remove(file, "rows of an eval")


def thin_proof(file: Path, *, items: Collection[str], journal: Journal) -> None:
    """Leave of a proof the texts of which it is known that they are of other rows; without any it goes."""
    if not file.exists():
        return
    texts = json.loads(file.read_bytes())["texts"]
    kept = [text for text in texts if text.get("item_id", "") not in {"", *items}]
    if len(kept) == len(texts):
        return
    what = f"proof of a load ({len(texts) - len(kept)} of {len(texts)} texts)"
    if not kept:
        journal.remove(file, what)
        return
    journal.note_file(file, what)
    write_atomic(file, json.dumps({"texts": kept}) + "\n")


def blot_logs(logs: Iterable[Path], texts: Iterable[str]) -> dict[str, int]:
    """Write over what of `texts` stands in logs, in their place, since whoever writes them has them open; how often, by
    file. Nothing of ours logs what people say: this is for what a library, or a fault, did."""
    lines = {line.strip() for text in texts for line in text.splitlines()}
    wanted = sorted((line for line in lines if len(line) >= LEAST_LETTERS), key=len, reverse=True)[:MOST_LINES]
    sought = {form.encode() for line in wanted for form in (line, json.dumps(line)[1:-1], repr(line)[1:-1])}
    blotted = {}
    for log in logs:
        raw = log.read_bytes()
        places = [(start, len(text)) for text in sought for start in _find_all(raw, text)]
        if places:
            blotted[log.name] = len(places)
            with log.open("r+b") as file:
                for start, length in places:
                    file.seek(start)
                    file.write(b"x" * length)
    return blotted


def _find_all(raw: bytes, text: bytes) -> Iterator[int]:
    start = raw.find(text)
    while start >= 0:
        yield start
        start = raw.find(text, start + len(text))


def _folders(parent: Path) -> list[Path]:
    return sorted(folder for folder in parent.glob("[!.]*") if folder.is_dir())
