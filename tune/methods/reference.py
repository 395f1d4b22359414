"""What a frozen reference thinks of answers: constants of it, so each is measured once and kept in a file.

The reference is the adapter that a stage begins with, or the base model. Measured in fixed groups, of which a
broken-off one is measured again as a whole, so that a resumed run compares with the very numbers of an uninterrupted
one; where a file serves several runs, whose groups differ, row by row (`one_by_one`). Does not know what they are
compared for.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

import torch

from tune.encode import Encoded
from tune.methods.frozen import Measure
from tune.team import Team

GROUP: Final = 64
"""Rows that are measured and written at once."""
LIMIT_BYTES: Final = 64 * 2**20
"""Of a file: half a million rows. A larger one is begun anew."""


class Reference:
    def __init__(self, kept: Mapping[str, float]) -> None:
        self._kept = kept

    def of(self, rows: Sequence[Encoded]) -> list[float]:
        """Negative log-likelihoods of their answers, in nats."""
        return [self._kept[key_of(row)] for row in rows]


Ask = Callable[[Iterable[Encoded]], Reference]


def one_by_one(measure: Measure) -> Measure:
    """Each row alone, so that the number is that of the row, to the last bit, whatever is measured beside it."""
    return lambda rows: torch.cat([measure([row]) for row in rows])


def ask_reference(file: Path, rows: Iterable[Encoded], measure: Measure, *, team: Team = Team()) -> Reference:
    """What the reference thinks of all `rows`; what `file` does not hold yet is measured and added to it."""
    if team.is_first and file.exists() and file.stat().st_size > LIMIT_BYTES:
        file.unlink()
    wanted = {key_of(row): row for row in rows}
    kept = team.of_first(_read(file))
    by_length = sorted(wanted, key=lambda key: (len(wanted[key].input_ids), key))
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a", encoding="utf-8") as out:
        for start in range(0, len(by_length), GROUP):
            group = by_length[start : start + GROUP]
            if all(key in kept for key in group):
                continue
            found = dict(zip(group, measure([wanted[key] for key in group]).tolist(), strict=True))
            if team.is_first:
                out.write("\n" + "".join(json.dumps([key, value]) + "\n" for key, value in found.items()))
                out.flush()
            kept |= found
    return Reference(kept)


def key_of(row: Encoded) -> str:
    """Of the tokens and which of them are answers; the row's name is nothing to the reference."""
    return hashlib.sha256(json.dumps([row.input_ids, row.labels]).encode()).hexdigest()


def _read(file: Path) -> dict[str, float]:
    """Every whole line; a kill may have cut the last one off."""
    kept: dict[str, float] = {}
    if file.exists():
        for line in file.read_bytes().splitlines():
            with suppress(ValueError):
                key, value = json.loads(line)
                kept[key] = value
    return kept
