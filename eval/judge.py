"""Have a larger model compare the candidate's answers with its rival's, in both orders, and rank what people ranked.

Whatever its endpoint does is told in words and ends no evaluation; figures of a part are given by none. Verdicts are
kept by what was asked, so that a pair is judged once. A model is never asked about itself. What is compared leaves the
machine. Does not know the gate, which does not go by it.
"""

import asyncio
import json
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np

from eval.answers import Answer, Contestant, Label
from eval.judge_file import Agreement, JudgeFile, Share, Wins
from eval.judge_prompt import PROMPT_VERSION, Choice, pose, read_choice, settle
from eval.kept import Kept, digest, kept_file
from eval.suites import SuiteRow
from eval.votes import witness_of
from eval.win_rate import share_with_interval, win_rate_at_equal_length
from nightschool.endpoint import Endpoint, NoAnswer
from nightschool.prompt import Neutraliser
from nightschool.records import BASE, ChatMessage

FAILURES: Final = 3
"""So many replies in a row that are no verdict, and no more is asked."""
MAX_TOKENS: Final = 2048
"""Of a reply of one word: some models think aloud before it."""
DRAWS: Final = 2_000
SEED: Final = 17


@dataclass(frozen=True, slots=True)
class JudgeOrder:
    """Who judges, how much, and how long that may take."""

    url: str
    model: str
    key_variable: str
    max_pairs: int
    """Of the exam's rows, and as many of the pairs that people ranked."""
    timeout_s: float
    most_s: float
    own: frozenset[str] = frozenset()
    """Further names of those who are judged: the bot's, the base model's."""

    @property
    def identity(self) -> tuple[str, str, int, int]:
        """Who would judge, by which prompt, and how much: what its figures hang on."""
        return self.url, self.model, PROMPT_VERSION, self.max_pairs


@dataclass(frozen=True, slots=True)
class Pair:
    """Two texts after one conversation."""

    row: SuiteRow
    first: str
    second: str


@dataclass(frozen=True, slots=True)
class Ruling:
    choice: Choice


class _Judged(NamedTuple):
    pair: Pair
    preference: float
    """1: the first text is better, 0: the second, .5: a tie."""


class _Stopped(Exception):
    """In words."""


async def judge_answers(
    order: JudgeOrder,
    rows: Sequence[SuiteRow],
    answers: Mapping[Label, Mapping[str, Answer]],
    *,
    ranked: Sequence[tuple[SuiteRow, SuiteRow]],
    contestants: Sequence[Contestant],
    cache: Path,
    pause: Callable[[float], None] | None = None,
) -> JudgeFile:
    """What it thinks of the first rows by id, and of `ranked`, the better one first. Never fails over the endpoint."""
    rival: Label = "production" if "production" in answers else "base"
    chosen = sorted(rows, key=lambda row: row.row_id)[: order.max_pairs]
    given = [
        Pair(row, answers["candidate"][row.row_id].text, answers[rival][row.row_id].text) for row in chosen
    ]  # fmt: skip
    known = [Pair(better, better.reference, worse.reference) for better, worse in ranked[: order.max_pairs]]
    ended = threading.Event()
    session = _Session(order, cache=cache, ended=ended, pause=pause or (lambda pause_s: _wait(ended, pause_s)))
    try:
        return await asyncio.to_thread(session.judge, given, known, rival=rival, contestants=contestants)
    finally:
        # A night that is called off waits for one reply at most.
        ended.set()


@dataclass(slots=True)
class _Session:
    order: JudgeOrder
    cache: Path
    ended: threading.Event
    pause: Callable[[float], None]
    unread: int = 0
    _in_a_row: int = 0
    _ends_s: float = 0.0
    _neutraliser: Neutraliser = field(default_factory=Neutraliser)

    def judge(
        self, given: Sequence[Pair], known: Sequence[Pair], *, rival: Label, contestants: Sequence[Contestant]
    ) -> JudgeFile:
        order = self.order
        self._ends_s = time.monotonic() + order.most_s
        kept = Kept(kept_file(self.cache, f"{order.url} {order.model}", what="judge"), Ruling)
        try:
            endpoint = Endpoint(
                url=order.url, model=order.model, key_variable=order.key_variable, timeout_s=order.timeout_s,
                max_tokens=MAX_TOKENS, pause=self.pause,
            )  # fmt: skip
        except NoAnswer as error:
            return self._tell_problem(str(error))
        try:
            _refuse_itself(order, endpoint, contestants)
            won, agreed = self._rule(given, endpoint, kept), self._rule(known, endpoint, kept)
        except (NoAnswer, _Stopped) as error:
            return self._tell_problem(str(error))
        finally:
            endpoint.close()
        if not won:
            return self._tell_problem("it gave a verdict on no answer")
        return JudgeFile(
            model=order.model, url=order.url, prompt_version=PROMPT_VERSION, wins=_count_wins(won, rival),
            agreement=_compare_with_people(agreed), unread=self.unread,
        )  # fmt: skip

    def _tell_problem(self, problem: str) -> JudgeFile:
        order = self.order
        return JudgeFile(model=order.model, url=order.url, prompt_version=PROMPT_VERSION, problem=problem)

    def _rule(self, pairs: Iterable[Pair], endpoint: Endpoint, kept: Kept[Ruling]) -> list[_Judged]:
        """Those on which there is a verdict in both orders."""
        judged = []
        for pair in pairs:
            if pair.first == pair.second:
                judged.append(_Judged(pair, 0.5))
                continue
            said = pair.row.messages
            one = self._ask(pose(said, pair.first, pair.second), pair, endpoint, kept)
            other = self._ask(pose(said, pair.second, pair.first), pair, endpoint, kept) if one else None
            if one and other:
                judged.append(_Judged(pair, settle(one, other)))
            else:
                self.unread += 1
        return judged

    def _ask(
        self, messages: Sequence[ChatMessage], pair: Pair, endpoint: Endpoint, kept: Kept[Ruling]
    ) -> Choice | None:
        """Raises NoAnswer, _Stopped."""
        key = digest(json.dumps(messages))
        if known := kept.find(key):
            return known.choice
        if self.ended.is_set() or time.monotonic() > self._ends_s:
            raise _Stopped(f"it was not done within {self.order.most_s:g} s; what it said so far is kept")
        said = endpoint.answer(self._neutraliser.chat(messages))
        choice = read_choice(said.text) if said.is_whole else None
        if choice is not None:
            self._in_a_row = 0
            kept.keep(key, Ruling(choice), row_id=pair.row.row_id)
            return choice
        self._in_a_row += 1
        if self._in_a_row == FAILURES:
            raise _Stopped(f"it replied {FAILURES} times in a row what is no verdict, last {said.text[:60]!r}")
        return None


def _wait(ended: threading.Event, pause_s: float) -> None:
    ended.wait(pause_s)


def _refuse_itself(order: JudgeOrder, endpoint: Endpoint, contestants: Sequence[Contestant]) -> None:
    """Raises _Stopped where the judge is a contestant or the base model, by its name or by what its endpoint serves."""
    adapters = {contestant.model for contestant in contestants} - {BASE}
    own = {_short(name) for name in (*adapters, *order.own, BASE)}
    if _short(order.model) in own:
        raise _Stopped(f"{order.model} is among those who are judged; name another model in judge.model")
    served = endpoint.models()
    if same := sorted({name for name in served if _short(name) in own - {BASE}}):
        raise _Stopped(f"its endpoint serves {same[0]}, which is judged; name another one in judge.url")
    if _short(served.get(order.model, "")) in own:
        raise _Stopped(f"{order.model} is made from the base model that is judged; name another one in judge.model")


def _short(name: str) -> str:
    """Without the folder or the account before it."""
    return name.rstrip("/").rpartition("/")[2].casefold()


def _count_wins(judged: Sequence[_Judged], rival: Label) -> Wins:
    preference = np.array([one.preference for one in judged])
    longer = np.array([float(len(one.pair.first) - len(one.pair.second)) for one in judged])
    names = [witness_of(one.pair.row) for one in judged]
    witness = np.unique(names, return_inverse=True)[1]
    rate = win_rate_at_equal_length(preference, longer, witness, draws=DRAWS, seed=SEED)
    wins, losses = int((preference == 1).sum()), int((preference == 0).sum())
    return Wins(
        rival=rival,
        wins=wins,
        ties=len(judged) - wins - losses,
        losses=losses,
        win_rate=float(preference.mean()),
        at_equal_length=Share(**rate._asdict()),
    )


def _compare_with_people(judged: Sequence[_Judged]) -> Agreement | None:
    if not judged:
        return None
    agreed = sum(one.preference == 1 for one in judged)
    share = share_with_interval(agreed, len(judged))
    return Agreement(agreed=agreed, pairs=len(judged), share=Share(**share._asdict()))
