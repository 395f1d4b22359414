"""Rows that keep a model what it was: general questions with the answers that the frozen base itself gives to them.

What learns one shop's answers alone forgets how to do all else. Replay mixes in general rows: the base's own answers
(nothing new is learnt from them, so they only hold it in place), or a file of real chats. The base answers a prompt
once; its answers are kept in a file for each base, so a kill costs one group of prompts and no later night pays again.
Which rows a run has is written in its folder, `replay.json`, before it learns: started again it has the same. None
holds what the exam asks. Imports no torch: whoever calls says how the base answers.
"""

import hashlib
import math
import random
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Final, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, ValidationError

from nightschool.files import write_atomic
from nightschool.records import ChatMessage
from tune.chats import Chat, read_chats
from tune.decontaminate import Turn, find_leaks
from tune.made import time_for
from tune.recipe import Recipe
from tune.rows import Named
from tune.select import Lesson, Lineage

REPLAY: Final = "replay.json"
PROMPTS: Final = Path(__file__).with_name("general_prompts.txt")
GROUP: Final = 8
"""Prompts that are answered together, always the same ones: who is asked beside may decide between two words."""
MAX_WEIGHT: Final = 4.0
"""Few replay rows for many rows weigh more each, but none more than this."""


class Said(NamedTuple):
    text: str
    is_whole: bool
    """It ended by itself. One that was cut off would teach to stop in mid-sentence."""


Generate = Callable[[Sequence[str]], Sequence[Said]]
"""How the base answers prompts, one for one."""


class ReplayRow(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    item_id: str
    messages: tuple[ChatMessage, ...]


class Replay(BaseModel):
    """What a run mixes in."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    kind: Literal["own", "rows"]
    rows: tuple[ReplayRow, ...]
    weight: float
    """Of each, where the mean of the bot's own rows is 1."""
    left_out: int
    """Chats that held what the exam asks."""
    is_cut: bool = False
    """Not all prompts that were wanted were answered, to be done in time."""

    @property
    def content_hash(self) -> str:
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()

    def describe(self) -> str:
        """In a sentence."""
        whose = "the base model's own answers to general prompts" if self.kind == "own" else "general chats"
        weight = f", each with weight {self.weight:g}" if self.weight != 1 else ""
        left_out = f"; {self.left_out} that held what the exam asks were left out" if self.left_out else ""
        cut = "; no more were asked for, to be done in time" if self.is_cut else ""
        return f"{len(self.rows)} rows of replay ({whose}){weight}{left_out}{cut}"


class _Answered(BaseModel):
    """A line of the kept file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    prompt: str
    answer: str
    is_whole: bool


def gather_replay(
    run: Path,
    recipe: Recipe,
    *,
    rows: int,
    base: str,
    exam: Callable[[], Iterable[Turn]],
    generate: Generate,
    clock: Callable[[], float] = time.time,
) -> Replay | None:
    """What the recipe orders beside `rows` of the bot's own; None where it orders nothing or there are none.

    `base` says by content which base model answers; it does for a share of the time that the run has left. Raises
    InvalidInput where `recipe.replay_rows` is no file of chats.
    """
    if recipe.replay == "none" or not rows:
        return None
    if found := read_replay(run):
        return found
    wanted = count_wanted(rows, share=recipe.replay_share)
    ends_s = time_for(run, now_s=clock())
    if recipe.replay == "own":
        file = Path(recipe.replay_folder or run) / f"{hashlib.sha256(base.encode()).hexdigest()[:16]}.jsonl"
        every: Iterable[Chat] = answer_prompts(
            read_prompts(), generate=generate, file=file, seed=recipe.seed, has_time=lambda: clock() < ends_s
        )
    else:
        chats = read_chats(Path(recipe.replay_rows), key="recipe.replay_rows")
        answered = (chat for chat in chats if any(message["role"] == "assistant" for message in chat))
        every = _shuffled(answered, seed=recipe.seed)
    replay = _choose(recipe.replay, every, list(exam()), wanted=wanted)
    is_cut = recipe.replay == "own" and len(replay.rows) < wanted and clock() >= ends_s
    replay = replay.model_copy(update={"is_cut": is_cut})
    write_atomic(run / REPLAY, replay.model_dump_json(indent=1) + "\n")
    return replay


def read_replay(run: Path) -> Replay | None:
    """None where the run mixes in nothing."""
    file = run / REPLAY
    return Replay.model_validate_json(file.read_bytes()) if file.exists() else None


def count_wanted(rows: int, *, share: float) -> int:
    """So many beside `rows` that they are `share` (0..1, below 1) of all."""
    return math.ceil(rows * share / (1 - share) - 1e-9)


def read_prompts() -> tuple[str, ...]:
    """The general prompts that were written for this."""
    return tuple(PROMPTS.read_text(encoding="utf-8").splitlines())


def answer_prompts(
    prompts: Sequence[str], *, generate: Generate, file: Path, seed: int, has_time: Callable[[], bool] = lambda: True
) -> Iterator[Chat]:
    """The whole answers of the base as chats; no more prompts are asked than are taken, none that `file` holds, and
    out of time none at all."""
    groups = [prompts[start : start + GROUP] for start in range(0, len(prompts), GROUP)]
    random.Random(seed).shuffle(groups)
    known = {line.prompt: line for line in _read(file)}
    for group in groups:
        if any(prompt not in known for prompt in group):
            if not has_time():
                continue
            lines = [
                _Answered(prompt=prompt, answer=said.text, is_whole=said.is_whole)
                for prompt, said in zip(group, generate(group), strict=True)
            ]
            _append(file, lines)
            known |= {line.prompt: line for line in lines}
        for prompt in group:
            if known[prompt].is_whole and known[prompt].answer.strip():
                yield _chat(prompt, known[prompt].answer)


def _choose(kind: Literal["own", "rows"], every: Iterable[Chat], exam: Sequence[Turn], *, wanted: int) -> Replay:
    """The first `wanted` of the chats that hold nothing of the exam; where there are fewer, they weigh more instead."""
    clean: list[ReplayRow] = []
    left_out, left = 0, iter(every)
    while len(clean) < wanted and (some := list(islice(left, wanted - len(clean)))):
        named = {_item_id(chat): chat for chat in some}
        leaks = find_leaks([_named(item_id, chat) for item_id, chat in named.items()], exam)
        clean += [ReplayRow(item_id=name, messages=chat) for name, chat in named.items() if name not in leaks]
        left_out += len(leaks)
    weight = min(wanted / len(clean), MAX_WEIGHT) if clean else 1.0
    return Replay(kind=kind, rows=tuple(clean), weight=round(weight, 4), left_out=left_out)


def _named(item_id: str, chat: Chat) -> Named:
    return Named(item_id, Lesson(item_id, chat, Lineage((), (), (), is_let_in=True)))


def _shuffled(chats: Iterable[Chat], *, seed: int) -> list[Chat]:
    every = list(chats)
    random.Random(seed).shuffle(every)
    return every


def _chat(prompt: str, answer: str) -> Chat:
    return ChatMessage(role="user", content=prompt), ChatMessage(role="assistant", content=answer)


def _item_id(chat: Chat) -> str:
    said = "\0".join(part for message in chat for part in (message["role"], message["content"]))
    return f"replay-{hashlib.sha256(said.encode()).hexdigest()[:16]}"


def _read(file: Path) -> Iterator[_Answered]:
    for line in file.read_bytes().splitlines() if file.exists() else ():
        try:
            yield _Answered.model_validate_json(line)
        except ValidationError:
            continue  # a kill or a power cut left half a line: its prompt is asked again


def _append(file: Path, lines: Iterable[_Answered]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a", encoding="utf-8") as out:
        # Behind half a line, which would spoil the first of these.
        out.write("".join(f"\n{line.model_dump_json()}" for line in lines) + "\n")
