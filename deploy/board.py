"""What is being trained at this moment and how far it is, for status, console and Prometheus alike.

Lives in memory, as the trainings do that it tells of; what lasts of one is its `metrics.jsonl`.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType

from nightschool.records import BotName
from tune.progress import TrainingProgress


class Board:
    """One for each server."""

    def __init__(self) -> None:
        self._shown: dict[BotName, TrainingProgress] = {}

    @property
    def shown(self) -> Mapping[BotName, TrainingProgress]:
        """By bot; who took no step yet is not there."""
        return MappingProxyType(self._shown)

    def show(self, bot: BotName, progress: TrainingProgress) -> None:
        self._shown[bot] = progress

    @contextmanager
    def training(self, bot: BotName) -> Iterator[None]:
        """What is shown of the bot is wiped off at the end of the block, however it ends."""
        try:
            yield
        finally:
            self._shown.pop(bot, None)
