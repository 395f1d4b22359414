"""A bot is a file: `bots/<name>.toml` says who it is, how it is sampled, trained, judged and when it goes to school.

Several bots share one base model; each has adapters of its own. This module reads and checks the files; it does not
know which adapter of a bot is live (deploy).
"""

import logging
import tomllib
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from nightschool.errors import InvalidSettings, UnknownModel
from nightschool.faults import describe_faults
from nightschool.records import BOT_NAME_PATTERN, BotName, Sampling
from nightschool.text import OperatorsText

log = logging.getLogger(__name__)


class Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class SamplingPart(Part):
    temperature: float = Field(default=0.3, ge=0, le=2)
    """0 always takes the likeliest word."""
    top_p: float = Field(default=0.95, gt=0, le=1)
    """Share of probability from which words are drawn."""
    max_tokens: int = Field(default=256, ge=1, le=8192)
    """Longest answer."""
    repetition_penalty: float = Field(default=1.05, ge=1, le=2)
    """Above 1 discourages words that were said already."""

    def to_sampling(self) -> Sampling:
        return Sampling(**self.model_dump())


class RecipePart(Part):
    """How a night trains (LoRA, SFT)."""

    epochs: float = Field(default=2, gt=0, le=20)
    """Passes over the training rows."""
    learning_rate: float = Field(default=2e-4, gt=0, lt=1)
    rank: Literal[1, 2, 4, 8, 16, 32, 64, 128] = 16
    """LoRA rank; must not exceed the engine's `max_lora_rank`."""
    alpha: int = Field(default=32, ge=1)
    """LoRA scale: the update is multiplied by alpha / rank."""
    batch_size: int = Field(default=16, ge=1)
    """Rows per optimizer step."""
    micro_batch_size: int = Field(default=4, ge=1)
    """Rows computed at once; smaller takes less memory and gives the same result."""
    max_tokens: int = Field(default=512, ge=32)
    """Longest row; longer ones lose their oldest turns."""
    seed: int = 17
    min_examples: int = Field(default=50, ge=1)
    """With fewer training rows the night says "insufficient-data" and production stays."""
    min_new_examples: int = Field(default=1, ge=0)
    """With fewer rows than this that the last trained adapter has not seen, the night does the same."""
    held_out_share: float = Field(default=0.15, gt=0, lt=1)
    """Share of conversations kept for evaluation, where an import did not say."""


class GatePart(Part):
    """What a candidate must show before it meets people."""

    primary: Literal["token_f1", "rouge_l", "perplexity"] = "token_f1"
    """The one metric on which the candidate must be better than production."""
    alpha: float = Field(default=0.025, gt=0, lt=0.5)
    """One-sided error: the lower confidence bound of the gain must be above 0 at this level."""
    draws: int = Field(default=10_000, ge=1_000)
    """Resamples of the paired bootstrap."""
    min_conversations: int = Field(default=20, ge=2)
    """With fewer held-out conversations the verdict is "insufficient-data"."""
    max_rows: int = Field(default=120, ge=2)
    """Held-out rows that are answered; chosen by hash, the same for every contestant."""
    length_ratio: tuple[float, float] = (0.5, 2.0)
    """Bounds of the candidate's mean answer length over the references'."""
    max_repetition: float = Field(default=0.2, ge=0, le=1)
    """Largest mean share of repeated word 4-grams in the candidate's answers."""
    max_perplexity_ratio: float = Field(default=1.05, ge=1)
    """The candidate's held-out perplexity may be at most this many times production's."""

    @field_validator("length_ratio")
    @classmethod
    def _ordered(cls, bounds: tuple[float, float]) -> tuple[float, float]:
        if not 0 <= bounds[0] < bounds[1]:
            raise ValueError("must be two numbers, the lower one first")
        return bounds


class SchedulePart(Part):
    enabled: bool = True
    """Off: the bot goes to school only when told to."""
    cron: str = "0 3 * * *"
    """Minute, hour, day, month, weekday (names such as sun, not numbers). 03:00 or later avoids clock changes."""
    time_zone: str = "UTC"
    """IANA name, for example Europe/Berlin."""

    @field_validator("time_zone")
    @classmethod
    def _known(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise ValueError("is not a time zone; use a name such as Europe/Berlin") from error
        return name

    @field_validator("cron")
    @classmethod
    def _five_fields(cls, cron: str) -> str:
        fields = cron.split()
        if len(fields) != 5:
            raise ValueError("must have five fields: minute hour day month weekday")
        # APScheduler counts weekdays from Monday, cron from Sunday: only names mean the same to both.
        if any(character.isdigit() for character in fields[4].partition("/")[0]):
            raise ValueError("weekday must be a name such as sun or mon-fri, since numbers mean different days")
        return cron


class Bot(Part):
    """One bot's file."""

    name: str = Field(pattern=BOT_NAME_PATTERN)
    """Lower-case letters, digits and hyphens; also the API's model name."""
    title: OperatorsText = Field(min_length=1, max_length=60)
    """What people see."""
    description: OperatorsText = ""
    """One line under the title."""
    system_prompt: OperatorsText
    """Put before every conversation, in serving, training and evaluation alike."""
    starters: tuple[OperatorsText, ...] = Field(default=(), max_length=6)
    """Questions offered on an empty page."""
    sampling: SamplingPart = SamplingPart()
    recipe: RecipePart = RecipePart()
    gate: GatePart = GatePart()
    schedule: SchedulePart = SchedulePart()

    @property
    def bot_name(self) -> BotName:
        return BotName(self.name)

    @model_validator(mode="after")
    def _room_to_answer(self) -> Self:
        if self.recipe.micro_batch_size > self.recipe.batch_size:
            raise ValueError("recipe.micro_batch_size is larger than recipe.batch_size; lower it")
        return self


def load_bot(file: Path) -> Bot:
    """The bot in `file`. Raises InvalidSettings with every fault at once."""
    remedy = "Mend the bot's file; docs/bots.md explains every key."
    try:
        bot = Bot.model_validate(tomllib.loads(file.read_text()))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidSettings(f"is not TOML ({error})", subject=str(file), remedy=remedy) from error
    except ValidationError as error:
        origins = {".".join(map(str, fault["loc"])): str(file) for fault in error.errors()}
        raise InvalidSettings(describe_faults(error, origins, model=Bot), subject=str(file), remedy=remedy) from error
    if bot.name != file.stem:
        raise InvalidSettings(
            f"says name = {bot.name!r}", subject=str(file), remedy=f"Name the file {bot.name}.toml or change the name."
        )
    return bot


def load_bots(folder: Path) -> Mapping[BotName, Bot]:
    """Every bot of `folder`, by name. Raises InvalidSettings, also where there is none."""
    files = sorted(folder.glob("*.toml"))
    if not files:
        raise InvalidSettings(
            "holds no bot", subject=str(folder), remedy="Copy bots/support.toml there or set NIGHTSCHOOL_BOTS."
        )
    return MappingProxyType({bot.bot_name: bot for bot in map(load_bot, files)})


class BotShelf:
    """The bots as their files stand now: a changed file counts from the next look on, without a restart.

    A file that became faulty is logged once, and the bots as they were before go on.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._bots = load_bots(folder)
        self._seen = self._stamp()

    @property
    def bots(self) -> Mapping[BotName, Bot]:
        stamp = self._stamp()
        if stamp != self._seen:
            self._seen = stamp
            try:
                self._bots = load_bots(self._folder)
            except InvalidSettings as error:
                log.error("the bots stay as they were: %s", error)
        return self._bots

    def find(self, name: str) -> Bot:
        """The bot called `name`. Raises UnknownModel, which lists the bots there are."""
        bots = self.bots
        bot = bots.get(BotName(name))
        if bot is None:
            raise UnknownModel(
                "is not a bot here", subject=repr(name), remedy=f"Choose one of: {', '.join(bots)}.", param="model"
            )
        return bot

    def _stamp(self) -> frozenset[tuple[str, int]]:
        return frozenset((file.name, file.stat().st_mtime_ns) for file in self._folder.glob("*.toml"))
