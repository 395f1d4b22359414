"""How much of what people mean ill reaches a dataset, and how much honest work is lost to keep it out?

Invented people vote on answers of which it is known whether they are right (`bench/common/poison_crowd.py`), into a
real record; its snapshot becomes a real dataset, and nothing is trained. Attacks: 30 % of all votes by 1 % of the
people, in bursts (`a_bursts`) or evenly over two weeks (`a_slow`); 40 fresh browsers from as many addresses with one
planted ideal answer each, where two people who agree may teach without an operator (`b_planted`); 10 % of the people
against the truth (`c_minority`); beside them the forty without a word, who only dislike (`b_silent`), and nobody
(`none`). Ways: the screens as shipped; the same dataset with every screen and bound off; and what somebody would write
in an afternoon: the majority of the votes on each text, and each vote as a row. `hostile_share` is the share of the
weight of all training rows (to imitate, pairs, votes) whose votes are hostile; `honest_lost` the share of the rows of a
record without the hostile people, built without screens, that are missing.
The JSON's figures are means over seeds by attack, and `hostile_share_screened`, `hostile_share_open` and `honest_lost`
means over the first four attacks.
Run: python bench/poison.py [--quick]   The last line is one JSON object.
"""

import argparse
import asyncio
import json
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from bench.common.poison_crowd import ATTACKS, START, Said, Size, Visit, honest_visits, rulings
from collect import feedback
from collect.conversations import Told, record_turns
from collect.feedback import Opinion, record_opinions
from collect.grounds import NO_GROUNDS
from collect.reviews import record_review
from collect.snapshot import write_snapshot
from collect.store import Cursor, open_store
from nightschool.files import MANIFEST, publish, read_manifest
from nightschool.records import BotName, Conversation, Finish, Message, Review, Source, Vote
from nightschool.text import gist
from tune.bounds import Bounds
from tune.dataset import build_dataset

BOT: Final = BotName("support")
NONE: Final = "none"
MEANT: Final = ("a_bursts", "a_slow", "b_planted", "c_minority")
"""What the means are over."""
NO_BOUND: Final = 10**6
OPEN: Final = Bounds(
    train_share=1, exam_share=1, address_train_share=1, votes_a_day=NO_BOUND, address_votes_a_day=NO_BOUND,
    burst_votes=0, weighs_persons=False,
)  # fmt: skip
AGREEING: Final = 2
"""Where planted answers are the attack: as many persons as may teach without an operator."""
FULL: Final = Size(people=400, chats=1_500, questions=80)
QUICK: Final = Size(people=100, chats=300, questions=20)
KINDS: Final = ("sft", "pairs", "votes")


class Figures(NamedTuple):
    hostile_share: float
    honest_lost: float


class Rows(NamedTuple):
    """What a way makes of a record."""

    weight: float
    """Of all training rows."""
    hostile: float
    names: frozenset[str]
    """Of rows of both sides."""


def keep(cursor: Cursor, *, visits: Sequence[Visit], size: Size, seed: int) -> None:
    """Everything that was said, voted and ruled, in the order of time within each kind."""
    record_turns(cursor, [_told(visit) for visit in visits])
    record_opinions(cursor, [said for visit in visits for said in _votes(visit)])
    honest = [visit for visit in visits if not visit.is_hostile]
    for visit, at in rulings(honest, size, seed=seed):
        is_right = visit.answers[0].is_right
        record_review(cursor, review=Review(_answer_id(visit, 0), BOT, "operator", is_right, "", (), at))


def _told(visit: Visit) -> Told:
    talk = Conversation(visit.name, BOT, f"browser:{visit.person}", Source.CHAT, visit.question, visit.at)
    asked = Message(f"{visit.name}-q", visit.name, BOT, None, "user", visit.question, Source.CHAT, visit.at)
    answers = [
        Message(
            _answer_id(visit, place), visit.name, BOT, asked.message_id, "assistant", said.text, Source.CHAT, visit.at,
            finish=Finish.STOP,
        )
        for place, said in enumerate(visit.answers)
    ]  # fmt: skip
    return Told(talk, [asked, *answers], NO_GROUNDS, ())


def _votes(visit: Visit) -> Iterator[feedback.Said]:
    for place, said in enumerate(visit.answers):
        opinion = Opinion(Vote.UP if said.is_liked else Vote.DOWN, ideal_answer=said.ideal or None)
        at = visit.at + timedelta(seconds=10 * place)
        yield feedback.Said(_answer_id(visit, place), f"browser:{visit.person}", opinion, at, visit.address)


def _answer_id(visit: Visit, place: int) -> str:
    return f"{visit.name}-a{place}"


async def write_record(visits: Sequence[Visit], folder: Path, *, size: Size, seed: int) -> Path:
    """The snapshot of a record that holds all of it."""
    async with open_store(folder / "record.duckdb", temp=folder / "temp", memory_gib=1, threads=2) as store:
        await store.write(partial(keep, visits=visits, size=size, seed=seed))
        until = START + timedelta(days=size.days + 1)
        await store.read(partial(write_snapshot, bot=BOT, folder=folder / "snapshot", at=until))
    return folder / "snapshot"


def release_all(snapshot: Path) -> None:
    """As if an operator had let every vote count, whatever a screen says."""
    manifest = read_manifest(snapshot)
    assert manifest is not None
    table = pq.read_table(snapshot / "feedback.parquet")
    column = table.schema.get_field_index("is_released")
    pq.write_table(
        table.set_column(column, table.schema.field(column), pa.array([True] * len(table))),
        snapshot / "feedback.parquet",
    )
    (snapshot / MANIFEST).unlink()
    publish(snapshot, kind=manifest.kind, about=manifest.about)


def build(snapshot: Path, *, bounds: Bounds, hostile: frozenset[str]) -> Rows:
    target = Path(tempfile.mkdtemp(dir=snapshot.parent))
    built = build_dataset(
        snapshot, target, system_prompt="Help.", held_out_share=0.15, seed=17, bounds=bounds, half_life_days=30
    )
    return read_rows(target / built.folder_name, snapshot, hostile=hostile)


def read_rows(dataset: Path, snapshot: Path, *, hostile: frozenset[str]) -> Rows:
    """`hostile`: voters. A row is as hostile as the votes that say what it says."""
    items = pq.read_table(dataset / "items.parquet").to_pylist()
    opinions = pq.read_table(snapshot / "feedback.parquet", columns=["message_id", "voter", "vote"]).to_pylist()
    said = {(row["message_id"], row["voter"]): row["vote"] for row in opinions}
    weights: dict[str, float] = {}
    is_good: dict[str, bool] = {}
    for kind in KINDS:
        for row in pq.read_table(dataset / f"{kind}_train.parquet").to_pylist():
            weights[row["item_id"]] = row["weight"]
            if kind == "votes":
                is_good[row["item_id"]] = row["is_good"]
    total = part = 0.0
    for item in items:
        name = item["item_id"]
        if item["side"] == "train":
            votes = [(v["message_id"], v["voter"]) for v in item["votes"]]
            if name in is_good:
                votes = [vote for vote in votes if (said[vote] == "up") is is_good[name]]
            total += weights[name]
            part += weights[name] * _share(voter in hostile for _, voter in votes)
    return Rows(total, part, frozenset(item["item_id"] for item in items))


def by_majority(visits: Sequence[Visit]) -> Rows:
    """A text that more like than not is imitated, and is a vote as most say; two who write alike teach."""
    texts: dict[tuple[str, str], list[tuple[Visit, Said]]] = defaultdict(list)
    ideals: dict[tuple[str, str], dict[str, bool]] = defaultdict(dict)
    for visit in visits:
        for said in visit.answers:
            texts[visit.question, said.text].append((visit, said))
            if said.ideal:
                ideals[visit.question, gist(said.ideal)][visit.person] = visit.is_hostile
    rows: dict[str, float] = {}
    for key, heard in texts.items():
        likes = [visit.is_hostile for visit, said in heard if said.is_liked]
        dislikes = [visit.is_hostile for visit, said in heard if not said.is_liked]
        if len(likes) > len(dislikes):
            rows[f"sft {key}"] = _share(likes)
        if len(likes) != len(dislikes):
            most = max(likes, dislikes, key=len)
            rows[f"votes {key} {most is likes}"] = _share(most)
    rows |= {f"ideal {key}": _share(by.values()) for key, by in ideals.items() if len(by) >= AGREEING}
    return Rows(len(rows), sum(rows.values()), frozenset(rows))


def by_each(visits: Sequence[Visit]) -> Rows:
    """Every like is imitated, every vote is one, every answer that somebody wrote teaches."""
    rows: dict[str, bool] = {}
    for visit in visits:
        for place, said in enumerate(visit.answers):
            name = _answer_id(visit, place)
            made = {"votes": True, "sft": said.is_liked, "ideal": bool(said.ideal)}
            rows |= {f"{kind} {name}": visit.is_hostile for kind, is_made in made.items() if is_made}
    return Rows(len(rows), sum(rows.values()), frozenset(rows))


def _share(hostile: Iterable[bool]) -> float:
    counted = Counter(hostile)
    return counted[True] / counted.total() if counted.total() else 0.0


def measure(folder: Path, attack: str, *, size: Size, seed: int) -> Mapping[str, Figures]:
    """By way."""
    honest = honest_visits(size, seed=seed)
    against = list(ATTACKS[attack](honest, size, seed=seed)) if attack != NONE else []
    hostile = frozenset(f"browser:{visit.person}" for visit in against)
    agreeing = AGREEING if attack == "b_planted" else 0
    off = Bounds(**{field: getattr(OPEN, field) for field in OPEN.__slots__} | {"agreeing_persons": agreeing})
    alone, both = (Path(tempfile.mkdtemp(dir=folder)) for _ in range(2))
    without = asyncio.run(write_record(honest, alone, size=size, seed=seed))
    among = asyncio.run(write_record([*honest, *against], both, size=size, seed=seed))
    screened = build(among, bounds=Bounds(agreeing_persons=agreeing), hostile=hostile)
    release_all(among)
    release_all(without)
    reference = build(without, bounds=off, hostile=hostile)
    every = {"screened": screened, "open": build(among, bounds=off, hostile=hostile)}
    found = {way: figure(rows, reference) for way, rows in every.items()}
    found["majority"] = figure(by_majority([*honest, *against]), by_majority(honest))
    found["each vote"] = figure(by_each([*honest, *against]), by_each(honest))
    return found


def figure(rows: Rows, honest: Rows) -> Figures:
    lost = len(honest.names - rows.names) / len(honest.names) if honest.names else 0.0
    return Figures(rows.hostile / rows.weight if rows.weight else 0.0, lost)


def mean(figures: Sequence[Figures]) -> Figures:
    return Figures(*(round(sum(column) / len(column), 4) for column in zip(*figures, strict=True)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a fifth of the crowd and one seed")
    given = parser.parse_args()
    size, seeds = (QUICK, (1,)) if given.quick else (FULL, (1, 2, 3))
    print("| attack | way | hostile share of the weight | honest rows lost |\n|---|---|---|---|")
    told: dict[str, dict[str, Figures]] = {}
    for attack in (*ATTACKS, NONE):
        by_seed = []
        for seed in seeds:
            with tempfile.TemporaryDirectory() as folder:
                by_seed.append(measure(Path(folder), attack, size=size, seed=seed))
        told[attack] = {way: mean([found[way] for found in by_seed]) for way in by_seed[0]}
        for way, one in told[attack].items():
            print(f"| {attack} | {way} | {one.hostile_share:.3f} | {one.honest_lost:.3f} |", flush=True)
    print(json.dumps(summarise(told)))


def summarise(told: Mapping[str, Mapping[str, Figures]]) -> dict[str, object]:
    screened = mean([told[attack]["screened"] for attack in MEANT])
    return {
        "hostile_share_screened": screened.hostile_share,
        "hostile_share_open": mean([told[attack]["open"] for attack in MEANT]).hostile_share,
        "honest_lost": screened.honest_lost,
        "by_attack": {
            attack: {
                way.replace(" ", "_"): {"hostile_share": one.hostile_share, "honest_lost": one.honest_lost}
                for way, one in ways.items()
            }
            for attack, ways in told.items()
        },
    }


if __name__ == "__main__":
    main()
