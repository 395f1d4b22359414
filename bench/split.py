"""How fairly are conversations split, and what does that cost?

Each case goes through the real doors: conversations are imported, or recorded as browsers' chats with votes (three
chats a browser), a snapshot is written, and a process of its own builds the dataset. Told are the share held out
(wanted: 15 % +- 3 points), what is left out because a near-duplicate stands on the other side, the largest group of
near-duplicates (wanted: at most 5 %), how many held-out conversations have a kin in training by the data's own labels,
and the build's seconds and peak memory. "starters": nine of ten first questions are one of three. Chinese and Japanese
chats are put together from sentences written here. Says nothing of how well anything is learnt.
Run: python bench/split.py [--quick] [--data FOLDER]   The last line is one JSON object. What is not in FOLDER is left.
"""

import argparse
import asyncio
import gzip
import itertools
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final

from collect.conversations import record_turn
from collect.feedback import Opinion, record_opinion
from collect.formats.read import ParsedConversation, read_conversations
from collect.imports import import_conversations
from collect.snapshot import write_snapshot
from collect.store import Store, open_store
from nightschool.records import BotName, Conversation, Finish, Message, Source, Vote, new_id
from tune.dataset import build_dataset, read_sides

BOT: Final = BotName("support")
AT: Final = datetime(2026, 3, 1, tzinfo=UTC)
SHARE: Final = 0.15
SEED: Final = 17
PUBLIC: Final = Path(__file__).parents[2] / "shared" / "data"
STARTERS: Final = ("Where is my order right now?", "How do I return a planter?", "What does delivery to Austria cost?")
FILES: Final = {
    "sgd": "sgd/sgd.jsonl.gz",
    "support_dialogues": "support_dialogues/cucom.jsonl.gz",
    "customer_turns": "customer_turns/multidogo.jsonl.gz",
    "support_qa": "support_qa/support_qa.jsonl.gz",
}
MADE: Final = {
    "chinese": """
        自动浇水花盆 阳台灯 土壤传感器 小型水泵 种子盒 遮阳帘 温度计 植物架 喷壶 肥料包
        不亮了 一直漏水 连不上手机 发出很大的噪音 收到时已经破了 充不进电 少了一个零件
        我上周买的{}{}该怎么处理 请问{}{}是什么原因 {}刚用两天就{}能换一个吗
        很抱歉{}{}请先断电十分钟再试一次。 请把订单号发给我们。{}{}可以更换。
        已经试过了还是不行。 订单号在哪里找。 换货需要多少天。 运费由谁付。
        在确认邮件的第一行。 三到五个工作日。 运费由我们承担。 那我们给您寄一个新的。""",
    "japanese": """
        給水プランター ベランダライト センサー 小型ポンプ 種子ボックス 日よけ 温度計 植物棚
        点灯しません 水が漏れます 大きな音がします 割れて届きました 充電できません
        先週買った{}ですが、{}。どうすればいいですか。 {}を使い始めて二日で{}。交換できますか。
        申し訳ございません。{}が{}なら電源を十分間切ってください。 {}が{}なら底をご確認ください。
        もう試しましたが、だめでした。 注文番号はどこですか。 何日かかりますか。 返金できますか。
        確認メールの一行目です。 三日から五日ほどです。 送料は当店が負担します。""",
}
"""A line each: things, faults, questions, answers, further questions, further answers."""
BROWSER_TALKS: Final = 3


@dataclass(frozen=True)
class Case:
    data: str
    count: int
    owners: str
    """import or browsers"""
    has_starters: bool = False

    @property
    def name(self) -> str:
        return f"{self.data}, {self.count}, {self.owners}{', starters' if self.has_starters else ''}"


def cases_of(data: str, *counts: int) -> list[Case]:
    return [
        Case(data, count, owners, has_starters)
        for count in counts
        for owners in ("import", "browsers")
        for has_starters in (False, True)
    ]


QUICK: Final = (*cases_of("sgd", 300), *cases_of("support_dialogues", 400)[:3], *cases_of("japanese", 200)[::2])
FULL: Final = (
    *cases_of("sgd", 300, 1000),
    *cases_of("support_dialogues", 400, 3559),
    *cases_of("customer_turns", 1000, 1500),
    *cases_of("support_qa", 400, 2764),
    *cases_of("mixed", 5000)[::2], *cases_of("chinese", 300)[::2], *cases_of("japanese", 300)[::2],
)  # fmt: skip


@dataclass(frozen=True)
class Chat:
    turns: tuple[str, ...]
    label: str = ""
    """Kin share it; empty where the data do not say."""


@dataclass(frozen=True)
class Split:
    case: Case
    held_out_share: float
    neither_share: float
    largest_group: float
    kin_share: float | None
    """Of held-out conversations: those with a kin in training. None where the data do not say."""
    rows: int
    seconds: float
    peak_mib: float


def read_chats(folder: Path, case: Case) -> list[Chat]:
    if case.data in MADE:
        chats = make_chats(case.data)
    elif case.data == "mixed":
        chats = itertools.chain(*[read_public(folder, data) for data in FILES])
    else:
        chats = read_public(folder, case.data)
    taken = itertools.islice(chats, case.count)
    return list(with_starters(taken) if case.has_starters else taken)


def read_public(folder: Path, data: str) -> Iterator[Chat]:
    with gzip.open(folder / FILES[data], "rt", encoding="utf-8") as lines:
        for row in map(json.loads, lines):
            if "turns" in row:
                # Customers' sides only: the answers are made here.
                asked = [turn["text"] for turn in row["turns"] if turn["text"].strip()]
                yield Chat(tuple(text for said in asked for text in (said, f"I see: {said}.")))
            else:
                said = tuple(message["content"] for message in row["messages"])
                yield Chat(said[: len(said) // 2 * 2], row.get("group", ""))


def make_chats(data: str) -> Iterator[Chat]:
    things, faults, questions, answers, more, ends = map(str.split, MADE[data].strip().splitlines())
    every = list(itertools.product(things, faults, questions, more))
    random.Random(SEED).shuffle(every)
    for number, (thing, fault, question, then) in enumerate(every):
        answer = answers[number % len(answers)].format(thing, fault)
        yield Chat((question.format(thing, fault), answer, then, ends[number % len(ends)]))


def with_starters(chats: Iterable[Chat]) -> Iterator[Chat]:
    for number, chat in enumerate(chats):
        first = STARTERS[number % 3] if number % 10 < 9 else chat.turns[0]
        yield Chat((first, *chat.turns[1:]), chat.label)


async def bring_in(store: Store, chats: Sequence[Chat], *, owners: str) -> Mapping[str, str]:
    """Labels by conversation."""
    if owners == "import":
        return await import_chats(store, chats)
    talks = [make_talk(number, chat) for number, chat in enumerate(chats)]
    await asyncio.gather(*[store.write(partial(record_turn, conversation=c, messages=m)) for c, m in talks])
    liked = [(c.owner, message) for c, messages in talks for message in messages[1::2][-2:]]
    await asyncio.gather(
        *[
            store.write(
                partial(
                    record_opinion, message_id=m.message_id, voter=owner, opinion=Opinion(vote=Vote.UP), at=m.created_at
                )
            )
            for owner, m in liked
        ]
    )
    return {c.conversation_id: chat.label for (c, _), chat in zip(talks, chats, strict=True)}


async def import_chats(store: Store, chats: Sequence[Chat]) -> Mapping[str, str]:
    lines = []
    for chat in chats:
        roles = ("user", "assistant") * (len(chat.turns) // 2)
        said = [{"role": role, "content": text} for role, text in zip(roles, chat.turns, strict=True)]
        lines.append(json.dumps({"messages": said, "topic": chat.label or None}))
    parsed = [line for line in read_conversations(lines) if isinstance(line, ParsedConversation)]
    await store.write(partial(import_conversations, bot=BOT, conversations=parsed, is_held_out=None, at=AT))
    return dict(await store.read(lambda c: c.execute("select conversation_id, topic from conversations").fetchall()))


def make_talk(number: int, chat: Chat) -> tuple[Conversation, list[Message]]:
    at = AT + timedelta(minutes=number)
    owner = f"browser:{number // BROWSER_TALKS}"
    talk = Conversation(new_id(), BOT, owner, Source.CHAT, chat.turns[0][:60], at)
    messages: list[Message] = []
    for place, text in enumerate(chat.turns):
        messages.append(
            Message(
                message_id=new_id(),
                conversation_id=talk.conversation_id,
                bot=BOT,
                parent_id=messages[-1].message_id if messages else None,
                role="assistant" if place % 2 else "user",
                content=text,
                source=Source.CHAT,
                created_at=at + timedelta(seconds=place),
                finish=Finish.STOP if place % 2 else None,
            )
        )
    return talk, messages


async def take_snapshot(chats: Sequence[Chat], folder: Path, *, owners: str) -> Mapping[str, str]:
    """Labels by conversation."""
    async with open_store(folder / "record.duckdb", temp=folder / "temp", memory_gib=2, threads=2) as store:
        labels = await bring_in(store, chats, owners=owners)
        until = AT + timedelta(days=365)
        await store.read(partial(write_snapshot, bot=BOT, folder=folder / "snapshot", at=until))
    return labels


def build(folder: Path) -> None:
    """Prints what the dataset's folder is called, what it cost, and its summary: run in a process of its own."""
    began = time.perf_counter()
    summary = build_dataset(
        folder / "snapshot", folder / "sets", system_prompt="Be kind.", held_out_share=SHARE, seed=SEED
    )
    seconds = time.perf_counter() - began
    peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    told = {"folder": summary.folder_name, "seconds": seconds, "peak_mib": peak_mib}
    print(json.dumps(told | summary.model_dump()))


def run_case(case: Case, data: Path) -> Split:
    chats = read_chats(data, case)
    with tempfile.TemporaryDirectory() as temp:
        folder = Path(temp)
        labels = asyncio.run(take_snapshot(chats, folder, owners=case.owners))
        command = [sys.executable, __file__, "--build", str(folder)]
        told: dict[str, Any] = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
        sides = read_sides(folder / "sets" / told["folder"])
    return measure(case, labels, sides, told)


def measure(case: Case, labels: Mapping[str, str], sides: Mapping[str, str], told: Mapping[str, Any]) -> Split:
    count = Counter(sides.values())
    trained = {labels[name] for name, side in sides.items() if side == "train"}
    examined = [labels[name] for name, side in sides.items() if side == "held-out"]
    known = any(labels.values())
    return Split(
        case=case,
        held_out_share=count["held-out"] / told["conversations"],
        neither_share=1 - sum(count.values()) / told["conversations"],
        largest_group=told["largest_group"] / told["conversations"],
        kin_share=sum(label in trained for label in examined) / max(len(examined), 1) if known else None,
        rows=told["train_rows"] + told["held_out_rows"],
        seconds=told["seconds"],
        peak_mib=told["peak_mib"],
    )


def show(split: Split) -> str:
    kin = "" if split.kin_share is None else f"{split.kin_share:.1%}"
    return (
        f"| {split.case.name} | {split.held_out_share:.1%} | {split.neither_share:.1%} | {split.largest_group:.1%} "
        f"| {kin} | {split.rows} | {split.seconds:.1f} s | {split.peak_mib:.0f} MiB |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a minute instead of ten")
    parser.add_argument("--data", type=Path, default=PUBLIC, help="folder with the public data")
    parser.add_argument("--build", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.build:
        build(given.build)
        return
    has_public = all((given.data / file).exists() for file in FILES.values())
    cases = [case for case in (QUICK if given.quick else FULL) if has_public or case.data in MADE]
    print("| conversations | held out | left out | largest group | kin in training | rows | build | peak |")
    print("|---|---|---|---|---|---|---|---|")
    splits: list[Split] = []
    for case in cases:
        splits.append(run_case(case, given.data))
        print(show(splits[-1]), flush=True)
    figures = {
        "worst_held_out_share_gap": round(max(abs(split.held_out_share - SHARE) for split in splits), 4),
        "worst_largest_group": round(max(split.largest_group for split in splits), 4),
        "rows_per_s": round(sum(split.rows for split in splits) / sum(split.seconds for split in splits)),
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
