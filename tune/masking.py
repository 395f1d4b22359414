"""Take personal data out of the rows of a dataset before they are written: the last step of a build.

In: the parts as they were selected, split and bounded, which went by what was really said. Out: the same rows with
placeholders, each row numbered by itself, and how many of each kind. What was found in a text is kept by its hash,
without the text, so that a night looks only at what is new. The system prompt stays as it is.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final, NamedTuple

from pydantic import BaseModel, ConfigDict

from nightschool.files import write_atomic
from nightschool.pii.finder import Finder
from nightschool.pii.mask import Masker, find_common
from nightschool.pii.names import NameFinder
from nightschool.pii.spans import Kind, Span
from nightschool.records import ChatMessage
from tune.parts import Parts
from tune.rows import Named, Row
from tune.select import Lesson, Pair

KEPT: Final = "found.json"
MASKED: Final = "masked"
RECOGNISERS: Final = "recognisers"
"""Keys of a manifest."""
VERSION: Final = 1
"""Of the recognisers: with another one everything is looked at anew."""


class Privacy(BaseModel):
    """How personal data is looked for."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    names: bool
    """People's names too, which takes a model."""
    allow: tuple[str, ...] = ()
    """What stays."""
    kept: Path | None = None
    """Folder for what was found, by hashes of texts."""


class Masked(NamedTuple):
    parts: Parts
    counts: Mapping[Kind, int]
    """Places where something was replaced."""


class FoundShelf:
    """What was found in texts, by their hash; `folder` None keeps nothing."""

    def __init__(self, finder: Finder, folder: Path | None) -> None:
        self._finder = finder
        self._file = folder / KEPT if folder else None
        self._found: dict[str, list[list[int | str]]] = self._read()

    def find(self, texts: Sequence[str]) -> dict[str, list[Span]]:
        """For each different text, where something stands."""
        wanted = {text: _digest(text) for text in dict.fromkeys(texts)}
        fresh = [text for text, digest in wanted.items() if digest not in self._found]
        for text, spans in zip(fresh, self._finder.find(fresh), strict=True):
            self._found[wanted[text]] = [[span.start, span.end, span.kind.value] for span in spans]
        # Of what is in no row any more nothing stays.
        self._found = {digest: self._found[digest] for digest in wanted.values()}
        if fresh and self._file:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            write_atomic(self._file, json.dumps({"version": self._version, "found": self._found}))
        return {
            text: [Span(int(start), int(end), Kind(str(kind))) for start, end, kind in self._found[digest]]
            for text, digest in wanted.items()
        }

    @property
    def _version(self) -> str:
        return f"{VERSION} {' '.join(self._finder.recognisers)}"

    def _read(self) -> dict[str, list[list[int | str]]]:
        if self._file is None or not self._file.exists():
            return {}
        try:
            kept = json.loads(self._file.read_bytes())
            return dict(kept["found"]) if kept["version"] == self._version else {}
        except (ValueError, KeyError, TypeError):
            return {}  # cut off, or of another hand: it is only kept to save time


def mask_rows(parts: Parts, privacy: Privacy | None, *, own: str) -> tuple[Parts, dict[str, str | int | float | None]]:
    """The rows as they may be learnt from, and what the manifest says of it: nothing without `privacy`."""
    if privacy is None:
        return parts, {}
    finder = Finder(NameFinder() if privacy.names else None)
    masked = mask_parts(parts, finder, own=own, allow=privacy.allow, kept=privacy.kept)
    counts = {f"{MASKED}.{kind}": count for kind, count in sorted(masked.counts.items())}
    return masked.parts, {RECOGNISERS: ", ".join(finder.recognisers), **counts}


def describe_masked(about: Mapping[str, str | int | float | None]) -> Iterator[str]:
    """The lines of a card on what `mask_rows` told the manifest."""
    if RECOGNISERS in about:
        counts = ", ".join(f"{count} {key.partition('.')[2]}" for key, count in about.items() if key.startswith(MASKED))
        yield f"\nPersonal data replaced by placeholders: {counts or 'none'}. Looked for by: {about[RECOGNISERS]}.\n"


def mask_parts(
    parts: Parts, finder: Finder, *, own: str, allow: Sequence[str] = (), kept: Path | None = None
) -> Masked:
    """The parts with placeholders. What the bot's `own` texts, `allow` or many conversations say stays."""
    rows = [named for own in (*parts.rows.values(), parts.questions) for named in own]
    texts = [(named.row.conversation_id, text) for named in rows for text in _texts(named.row)]
    found = FoundShelf(finder, kept).find([text for _, text in texts])
    common = find_common(((name, text, found[text]) for name, text in texts), own=own, known=allow)
    counts: Counter[Kind] = Counter()

    def masked(named: Named) -> Named:
        masker = Masker(common)
        row = _masked(named.row, masker, found)
        counts.update(masker.masked)
        return replace(named, row=row)

    return Masked(
        replace(
            parts,
            rows={place: tuple(map(masked, own)) for place, own in parts.rows.items()},
            questions=tuple(map(masked, parts.questions)),
        ),
        counts,
    )


def _texts(row: Row) -> Iterator[str]:
    chat = row.messages if isinstance(row, Lesson) else row.prompt
    yield from (message["content"] for message in chat if message["role"] != "system")
    if isinstance(row, Pair):
        yield from (row.chosen, row.rejected)
    elif not isinstance(row, Lesson):
        yield row.answer


def _masked(row: Row, masker: Masker, found: Mapping[str, Sequence[Span]]) -> Row:
    def mask(text: str) -> str:
        return masker.mask(text, found[text])

    def chat(messages: Sequence[ChatMessage]) -> tuple[ChatMessage, ...]:
        return tuple(
            m if m["role"] == "system" else ChatMessage(**{**m, "content": mask(m["content"])}) for m in messages
        )

    if isinstance(row, Lesson):
        return replace(row, messages=chat(row.messages))
    # In the order in which they are read: what was said first is number one.
    prompt = chat(row.prompt)
    if isinstance(row, Pair):
        return replace(row, prompt=prompt, chosen=mask(row.chosen), rejected=mask(row.rejected))
    return replace(row, prompt=prompt, answer=mask(row.answer))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]
