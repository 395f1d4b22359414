"""What every night works with, handed to it as one. Does not know what a night does."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from collect.store import Store
from deploy.board import Board
from deploy.judging import Judge
from deploy.queue import Queue
from deploy.rollout import Rollout
from deploy.training import Means
from nightschool.home import Home
from nightschool.knowledge import SearchApart


@dataclass(frozen=True, slots=True)
class School:
    """What every night works with."""

    store: Store
    rollout: Rollout
    judge: Judge
    home: Home
    base_model: str
    training_timeout_s: float
    training: Means
    trainings: Queue
    exams: Queue
    board: Board
    now: Callable[[], datetime]
    search: SearchApart
