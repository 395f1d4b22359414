"""What was done in a benchmark that lasts for hours, so that one that was killed goes on where it was.

A line of JSON for each thing, appended once it is done. Does not know what the lines mean, but for votes that mean ill.
"""

import json
from pathlib import Path
from typing import Any

from nightschool.files import write_atomic
from tune.words import VoteRef


class Journal:
    """What was done for one bot: a line of JSON each, appended as it happens."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._lines: list[dict[str, Any]] = []
        if file.exists():
            whole = [line for line in file.read_text().splitlines(keepends=True) if line.endswith("\n")]
            self._lines = [json.loads(line) for line in whole]
            # What a kill left half-written would spoil the line behind it.
            write_atomic(file, "".join(whole))

    def note(self, **line: object) -> None:
        self._lines.append(line)
        with self._file.open("a") as file:
            file.write(json.dumps(line) + "\n")

    def of_day(self, day: int, key: str) -> list[Any]:
        """What stands under `key` in that day's lines."""
        return [line[key] for line in self._lines if line["day"] == day and key in line]

    def hostile_votes(self, *, until: int) -> list[VoteRef]:
        """Cast up to that day."""
        return [
            VoteRef(line["message_id"], line["voter"])
            for line in self._lines
            if line.get("is_hostile") and line["day"] <= until
        ]

    def ruled(self, *, until: int) -> set[str]:
        """Answers that an operator ruled on up to that day."""
        return {line["reviewed"] for line in self._lines if "reviewed" in line and line["day"] <= until}
