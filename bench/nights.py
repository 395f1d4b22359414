"""Does a bot get better night by night by what people say of it, and are its verdicts right?

An invented shop (`bench/common/shop_*.py`): people with tastes that nobody is told chat with the served bot over the
API and on the chat page, vote on 3 % of the answers with 10 % slips, now and then write what an answer should have
been, and an operator rules on ten answers a day. One in a hundred means ill and votes in bursts against the truth. At
three o'clock of a clock that can be moved each bot's night begins by its schedule: the real cycle, trainer, engine and
gate. Behind each night hidden questions, put to the engine itself, tell how content people are with base, production
and candidate, so whether the verdict was right, and general answers what was forgotten.
Three bots of one installation live through the same days: as shipped; with the gate off, each candidate promoted by an
operator whatever the verdict; and with the screens on people's votes off (`recipe.votes_a_day`, `person_train_share`,
`person_exam_share`). They share the engine, the answers of the base model and what equal adapters were measured at,
and nothing of a night: from the first one on their records differ. --quick lives two nights as shipped and one of each
other bot. With --state a run that was killed goes on where it was once it is started again, and leaves a picture.
A full run is long, so what changes nothing is cheap: people and hidden questions come sixteen at a time, a version is
measured once for all bots, and only what a night does as shipped (its training, its exam, its second tries) is left to
take its time. What the seconds went to is told behind the table.
Run: python bench/nights.py [--quick] [--state FOLDER] [--model FOLDER]   The last line is one JSON object.
"""

import argparse
import asyncio
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Final

from bench.common.clock import MovableClock
from bench.common.journal import Journal
from bench.common.moved_server import Site, open_site
from bench.common.night_lines import (
    NightLine,
    draw_nights,
    print_nights,
    read_lines,
    row_of,
    sum_spent,
    summarise,
)
from bench.common.shop_chat import Crowd
from bench.common.shop_days import HOSTILE_SHARE, plan_day
from bench.common.shop_nights import Arm, begun_at, take_stock, wait_for_night
from bench.common.shop_world import (
    ARCHIVE,
    Hidden,
    Question,
    archive,
    asked_questions,
    by_text,
    hidden_questions,
    people,
    write_answer,
)
from bench.common.workshop import open_workshop
from nightschool.files import write_atomic
from nightschool.records import BotName

SEED: Final = 17
FIRST_DAY: Final = datetime(2027, 3, 1, 9, tzinfo=UTC)
MAX_ADAPTERS: Final = 8
"""Production and previous of each bot, and two for an exam."""
SCREENS_OFF: Final = "votes_a_day = 1000000\nperson_train_share = 1\nperson_exam_share = 1"
ARMS: Final = (
    Arm(BotName("ours"), ""),
    Arm(BotName("no-gate"), "_no_gate", is_always_promoted=True),
    Arm(BotName("no-screens"), "_no_screens", recipe=SCREENS_OFF),
)
BOT: Final = """
name = "{name}"
title = "Shop"
system_prompt = "You are the assistant of a small shop. Answer in one or two short sentences."
[sampling]
temperature = 0
max_tokens = 48
[recipe]
epochs = {epochs}
batch_size = 4
learning_rate = 1.2e-3
min_examples = 20
max_tokens = 320
held_out_share = 0.25
{recipe}
[gate]
min_conversations = 10
[suites]
max_cases = {cases}
[schedule]
cron = "0 3 * * *"
"""


@dataclass(frozen=True)
class Plan:
    nights: int
    nights_otherwise: int
    """Of the bots without gate or screens."""
    people: int
    chats: int
    """A day, of honest people."""
    burst: int
    """Votes of each hostile person and day."""
    reviews: int
    archive_topics: int
    """The shop has old answers to the first so many of its topics; the others are learnt from people alone."""
    epochs: int
    cases: int
    """Of each suite."""
    hidden_phrases: int
    hidden_items: int


FULL: Final = Plan(
    nights=7, nights_otherwise=7, people=100, chats=300, burst=20, reviews=10, archive_topics=4, epochs=4, cases=20,
    hidden_phrases=3, hidden_items=2,
)  # fmt: skip
QUICK: Final = Plan(
    nights=2, nights_otherwise=1, people=100, chats=34, burst=6, reviews=10, archive_topics=2, epochs=4, cases=3,
    hidden_phrases=1, hidden_items=1,
)  # fmt: skip


class Week:
    """The days and nights of all bots."""

    def __init__(self, site: Site, clock: MovableClock, folder: Path, plan: Plan) -> None:
        self._site = site
        self._clock = clock
        self._folder = folder
        self._plan = plan
        self._questions = asked_questions()
        self._people = people(plan.people, hostile_share=HOSTILE_SHARE, seed=SEED)
        self._journals = {arm: Journal(folder / f"{arm.bot}.jsonl") for arm in ARMS}
        self._hidden = _hidden(plan)
        known = by_text(self._questions)
        self._crowds = {arm: Crowd(site, arm.bot, self._journals[arm], known=known) for arm in ARMS}

    async def bring_archive(self) -> None:
        """What the shop has of old, to each bot; what a bot has already is skipped."""
        learnt, examined = archive(topics=self._plan.archive_topics, items=2)
        for arm in ARMS:
            for questions, side in ((learnt, "false"), (examined, "true")):
                address = f"/ops/import?bot={arm.bot}&held_out={side}"
                (await self._site.operator.post(address, content=_lines(questions))).raise_for_status()

    async def live(self, day: int, *, arms: Sequence[Arm]) -> None:
        """One day and its night for each of `arms`, and a line for each."""
        self._clock.move_to(morning_of(day))
        plan = self._plan
        visits = plan_day(
            self._people, self._questions, day=day, chats=plan.chats, burst=plan.burst, seed=SEED
        )  # fmt: skip
        for arm in arms:
            began = time.monotonic()
            await self._crowds[arm].live_day(day, visits, reviews_a_day=plan.reviews)
            self._journals[arm].note(day=day, chat_s=time.monotonic() - began)
            if not self._journals[arm].of_day(day, "production"):
                version = self._site.parts.rollout.route(arm.bot).name.version
                self._journals[arm].note(day=day, production=version)
        begins_at = begun_at(day, first=FIRST_DAY)
        self._clock.move_to(begins_at)
        wait = partial(wait_for_night, self._site, date=begins_at.date())
        async with asyncio.TaskGroup() as group:
            nights = {arm: group.create_task(wait(arm)) for arm in arms}
            for arm in arms:
                line = await take_stock(
                    self._site, arm, await nights[arm], day=day, journal=self._journals[arm], hidden=self._hidden,
                    folder=self._folder / "measured",
                )  # fmt: skip
                with (self._folder / "nights.jsonl").open("a") as file:
                    file.write(line.model_dump_json() + "\n")
                print(row_of(line), flush=True)

    async def close(self) -> None:
        for crowd in self._crowds.values():
            await crowd.close()


def morning_of(day: int) -> datetime:
    return FIRST_DAY + timedelta(days=day)


def _hidden(plan: Plan) -> tuple[Hidden, ...]:
    return hidden_questions(phrases=plan.hidden_phrases, items=plan.hidden_items, seed=SEED)


def _lines(questions: Sequence[Question]) -> str:
    return "".join(
        json.dumps(
            {
                "topic": question.topic.name,
                "messages": [
                    {"role": "user", "content": question.text},
                    {"role": "assistant", "content": write_answer(question, ARCHIVE)},
                ],
            }
        )
        + "\n"
        for question in questions
    )


def missing(lines: Sequence[NightLine], plan: Plan) -> Iterator[tuple[int, list[Arm]]]:
    """Days of which a night is not written down yet, and whose."""
    had = {(line.bot, line.day) for line in lines}
    for day in range(plan.nights):
        living = [arm for arm in ARMS if day < (plan.nights_otherwise if arm.suffix else plan.nights)]
        arms = [arm for arm in living if (arm.bot, day) not in had]
        if arms:
            yield day, arms


async def run(folder: Path, *, model: Path, plan: Plan) -> None:
    """Every night that is missing."""
    left = list(missing(read_lines(folder / "nights.jsonl"), plan))
    if not left:
        return
    bots = folder / "bots"
    bots.mkdir(exist_ok=True)
    for arm in ARMS:
        text = BOT.format(name=arm.bot, epochs=plan.epochs, cases=plan.cases, recipe=arm.recipe)
        (bots / f"{arm.bot}.toml").write_text(text)
    clock = MovableClock(morning_of(left[0][0]))
    opening = open_site(folder, bots=bots, model=model, max_adapters=MAX_ADAPTERS, now=clock)
    async with opening as site:
        week = Week(site, clock, folder, plan)
        try:
            await week.bring_archive()
            for day, arms in left:
                await week.live(day, arms=arms)
        finally:
            await week.close()


def check_plan(folder: Path, plan: Plan) -> None:
    """Raises SystemExit where the folder holds a run of another size."""
    file, text = folder / "plan.json", json.dumps(asdict(plan))
    if file.exists() and file.read_text() != text:
        raise SystemExit(f"{folder} holds a run of another size: name another folder, or go on with that one")
    write_atomic(file, text)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="two short nights: a look whether all of it works")
    parser.add_argument("--state", type=Path, help="work in this folder, go on with what it holds, and leave it")
    parser.add_argument("--model", type=Path, help="folder of the base model; else the default one is made")
    given = parser.parse_args()
    plan = QUICK if given.quick else FULL
    with open_workshop(model=given.model, keep=given.state) as (folder, model):
        check_plan(folder, plan)
        (folder / "measured").mkdir(exist_ok=True)
        asyncio.run(run(folder, model=Path(model), plan=plan))
        lines = read_lines(folder / "nights.jsonl")
        draw_nights(folder / "nights.png", lines, bots=[arm.bot for arm in ARMS])
        print_nights(lines)
        print("seconds by what they were spent on:", {what: round(s) for what, s in sum_spent(lines).items()})
        print(json.dumps(summarise(lines, suffixes={arm.bot: arm.suffix for arm in ARMS})))


if __name__ == "__main__":
    main()
