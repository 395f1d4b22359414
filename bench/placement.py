"""Where should passages stand in a prompt, behind the system prompt or above the last question? Time to the first word.

The real engine with its prefix cache. The held-out Lumafern conversations that have several questions are gone through
turn by turn, people's own answers between; each turn is asked without passages, with those found for it above the last
question, as we serve them, and with the same ones behind the system prompt. What an engine has read already it need not
read again: behind the system prompt other passages change all that follows, above the question only the end. Arms take
turns conversation by conversation, and only the first token is generated.
Run: python bench/placement.py [--quick] [--model FOLDER]   The last line is one JSON object.
"""

import argparse
import asyncio
import json
import time
from collections.abc import Callable, Sequence
from contextlib import aclosing
from pathlib import Path
from statistics import fmean, median
from typing import Final, NamedTuple

from bench.common.served import serve
from bench.common.shipped import BOTS, read_index_of
from bench.common.workshop import open_workshop
from bench.knowledge import LUMAFERN
from collect.knowledge.search import search
from nightschool.bots import Bot, load_bot
from nightschool.embedding import load_embedder
from nightschool.engine import ChatRequest, Engine
from nightschool.knowledge import ASKED, Passage, render, with_passages
from nightschool.records import BASE, ChatMessage, Sampling, new_id

ONE_TOKEN: Final = Sampling(temperature=0, top_p=1, max_tokens=1)
FULL: Final = 35
QUICK: Final = 8


class Turn(NamedTuple):
    said: tuple[ChatMessage, ...]
    """Up to and with the question."""
    passages: tuple[Passage, ...]


class First(NamedTuple):
    turn: int
    """Of its conversation, from 0."""
    wait_ms: float
    prompt_tokens: int


Arm = Callable[[str, Turn], list[ChatMessage]]
"""The prompt of a turn under a system prompt."""


def without(system_prompt: str, turn: Turn) -> list[ChatMessage]:
    return render(system_prompt, turn.said)


def above_question(system_prompt: str, turn: Turn) -> list[ChatMessage]:
    return render(system_prompt, turn.said, turn.passages)


def behind_system(system_prompt: str, turn: Turn) -> list[ChatMessage]:
    frame = with_passages("", turn.passages).removesuffix(f"{ASKED} ")
    return render(f"{system_prompt}\n\n{frame}".rstrip(), turn.said)


ARMS: Final[dict[str, Arm]] = {
    "none": without,
    "above the last question": above_question,
    "behind the system prompt": behind_system,
}


def read_chats(bot: Bot, folder: Path, *, most: int) -> list[list[Turn]]:
    """Conversations of several questions, as their turns with what is found for each."""
    embed = load_embedder().embed
    index = read_index_of(BOTS / bot.knowledge.folder, folder / "index", embed=embed)
    wanted = bot.knowledge
    chats = []
    for line in (LUMAFERN / "heldout.jsonl").read_text().splitlines():
        told = [m for m in json.loads(line)["messages"] if m["role"] != "system"]
        said = tuple(ChatMessage(role=m["role"], content=m["content"]) for m in told)
        ends = [place + 1 for place, message in enumerate(said) if message["role"] == "user"]
        turns = []
        for end in ends:
            asked = [message["content"] for message in said[:end] if message["role"] == "user"]
            found = search(index, asked, embed=embed, passages=wanted.passages, min_score=wanted.min_score)
            turns.append(Turn(said[:end], found.passages))
        if len(turns) > 1:
            chats.append(turns)
    return chats[:most]


async def time_first(engine: Engine, messages: Sequence[ChatMessage], *, turn: int) -> First:
    began, wait_ms, tokens = time.perf_counter(), 0.0, 0
    request = ChatRequest(tuple(messages), BASE, ONE_TOKEN, new_id())
    async with aclosing(engine.stream(request)) as deltas:
        async for delta in deltas:
            wait_ms = wait_ms or 1000 * (time.perf_counter() - began)
            tokens = delta.prompt_tokens
    return First(turn, wait_ms, tokens)


async def measure(folder: Path, *, model: str, most: int) -> dict[str, float]:
    bot = load_bot(BOTS / "support.toml")
    chats = await asyncio.to_thread(read_chats, bot, folder, most=most)
    taken: dict[str, list[First]] = {name: [] for name in ARMS}
    async with serve(model, folder) as served:
        for chat in chats:
            for name, arm in ARMS.items():
                for place, turn in enumerate(chat):
                    prompt = arm(bot.system_prompt, turn)
                    taken[name].append(await time_first(served.engine, prompt, turn=place))
    figures: dict[str, float] = {"conversations": len(chats)}
    print("| passages | prompt tokens | first word, first turn | later turns |\n|---|---|---|---|")
    for name, firsts in taken.items():
        first = median(one.wait_ms for one in firsts if one.turn == 0)
        later = median(one.wait_ms for one in firsts if one.turn > 0)
        tokens = fmean(one.prompt_tokens for one in firsts)
        print(f"| {name} | {tokens:.0f} | {first:.0f} ms | {later:.0f} ms |")
        key = name.replace(" ", "_")
        figures |= {f"ttft_ms_first_{key}": round(first, 1), f"ttft_ms_later_{key}": round(later, 1)}
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, help="folder of the base model; none prepares the default one")
    parser.add_argument("--quick", action="store_true", help="eight conversations")
    given = parser.parse_args()
    with open_workshop(model=given.model) as (folder, model):
        figures = asyncio.run(measure(folder, model=model, most=QUICK if given.quick else FULL))
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
