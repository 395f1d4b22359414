"""A bot is a file: `bots/<name>.toml` says who it is, how it is sampled, trained, judged and when it goes to school.

Several bots share one base model; each has adapters of its own. This module reads and checks the files; it does not
know which adapter of a bot is live (deploy).
"""

import logging
import stat
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final, Literal, NamedTuple, Self

from pydantic import Field, ValidationError, field_validator, model_validator

from nightschool.distill_part import DistillPart
from nightschool.errors import InvalidSettings, UnknownModel
from nightschool.escalation_part import EscalationPart
from nightschool.faults import describe_faults
from nightschool.feedback_part import FeedbackPart
from nightschool.judge_part import JudgePart
from nightschool.knowledge_part import KnowledgePart
from nightschool.morning_part import MorningPart
from nightschool.privacy_part import PrivacyPart
from nightschool.recipe_part import RecipePart
from nightschool.records import BOT_NAME_PATTERN, BotName, Sampling
from nightschool.section import Section, read_toml
from nightschool.suites_part import SuitesPart
from nightschool.text import OperatorsText
from nightschool.timetable import SchedulePart

log = logging.getLogger(__name__)

LOOK_PERIOD_S: Final = 1.0


class _Stamp(NamedTuple):
    """A file that was changed or replaced has another one."""

    changed_ns: int
    size_bytes: int
    inode: int


UNSEEN: Final = _Stamp(0, 0, 0)


class SamplingPart(Section):
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


class GatePart(Section):
    """What a candidate must show before it meets people."""

    primary: Literal["auto", "token_f1", "rouge_l", "perplexity", "vote_margin"] = "token_f1"
    """The one metric on which the candidate must be better than production; `auto` chooses by what data there is."""
    alpha: float = Field(default=0.025, gt=0, lt=0.5)
    """One-sided error of a comparison: a first night's risk of a false promotion, and what guardrails are held to."""
    false_promotions_a_year: float = Field(default=1.0, gt=0, le=50)
    """How many candidates that are no better than production may be promoted in a year, on average, at most."""
    draws: int = Field(default=10_000, ge=1_000, le=1_000_000)
    """Resamples of the paired bootstrap."""
    seed: int = Field(default=17, ge=0, lt=2**32)
    """Of the resamples."""
    min_conversations: int = Field(default=20, ge=2)
    """With fewer held-out conversations the verdict is "insufficient-data"."""
    max_rows: int = Field(default=120, ge=2)
    """Held-out rows that are answered; chosen by hash, the same for every contestant."""
    length_ratio: tuple[float, float] = (0.5, 2.0)
    """Bounds of the candidate's mean answer length over the references'."""
    max_repetition: float = Field(default=0.2, ge=0, le=1)
    """Largest mean share of repeated word 4-grams in the candidate's answers."""
    max_perplexity_ratio: float = Field(default=1.05, ge=1)
    """The candidate's held-out perplexity may be at most this many times production's, base's and the anchor's."""
    anchor_margin: float = Field(default=0.02, ge=0)
    """How much worse than the base model and than the last version that a person promoted, with certainty at most."""
    unseen_fall: float = Field(default=0.5, ge=0)
    """How far one conversation may fall that the exam did not hold; lower sees smaller gains and trusts more."""
    topic_margin: float = Field(default=0.05, ge=0)
    """A topic of 8 rows or more that is shown to fall stops the candidate where it fell by more than this."""
    max_much_worse_share: float = Field(default=0.04, ge=0, le=1)
    """Share of answers that may keep less than a third of the token F1 that production has on the same row."""
    suite_margin: float = Field(default=0.1, ge=0, le=1)
    """A suite of which the candidate is shown to pass less stops it where that is more than this share of the cases."""
    reward_model: bool = False
    """Have the night's reward model compare answers too; recipe.methods must hold "reward"."""
    reward_min_agreement: float = Field(default=0.6, ge=0.5, lt=1)
    """It stops a candidate only where its held-out agreement with people is, with 95 % certainty, not lower."""

    @field_validator("length_ratio")
    @classmethod
    def _ordered(cls, bounds: tuple[float, float]) -> tuple[float, float]:
        if not 0 <= bounds[0] < bounds[1]:
            raise ValueError("must be two numbers, the lower one first")
        return bounds


class Bot(Section):
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
    distill: DistillPart = DistillPart()
    gate: GatePart = GatePart()
    judge: JudgePart = JudgePart()
    privacy: PrivacyPart = PrivacyPart()
    knowledge: KnowledgePart = KnowledgePart()
    suites: SuitesPart = SuitesPart()
    schedule: SchedulePart = SchedulePart()
    morning: MorningPart = MorningPart()
    escalation: EscalationPart = EscalationPart()
    feedback: FeedbackPart = FeedbackPart()

    @property
    def bot_name(self) -> BotName:
        return BotName(self.name)

    @property
    def own_texts(self) -> str:
        """What the bot's file says to everybody."""
        known = self.knowledge
        said = [self.title, self.description, self.system_prompt, known.hand_over, *known.hand_over_also]
        scores = self.feedback.scores.items()
        return "\n".join(said + [word for name, score in scores for word in (name, *score.categories)])

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.recipe.micro_batch_size > self.recipe.batch_size:
            raise ValueError("recipe.micro_batch_size is larger than recipe.batch_size; lower it")
        if self.recipe.adapter == "full" and self.recipe.layers_share < 1:
            raise ValueError("recipe.layers_share is for adapters, and recipe.adapter is full; leave one of them out")
        if self.gate.reward_model and "reward" not in self.recipe.methods:
            raise ValueError('gate.reward_model wants a model that a night trains; add "reward" to recipe.methods')
        return self

    @model_validator(mode="after")
    def _knows_its_teacher(self) -> Self:
        if "distill" in self.recipe.methods and not (self.distill.url and self.distill.model):
            raise ValueError('recipe.methods has "distill"; say in distill.url and distill.model who is asked')
        return self


def load_bot(file: Path) -> Bot:
    """The bot in `file`. Raises InvalidSettings with every fault at once."""
    remedy = "Mend the bot's file; docs/bots.md explains every key."
    tree = read_toml(file, remedy=remedy)
    try:
        bot = Bot.model_validate(tree)
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
    files = sorted(_stamps(folder))
    if not files:
        raise InvalidSettings(
            "holds no bot", subject=str(folder), remedy="Copy bots/support.toml there or set NIGHTSCHOOL_BOTS."
        )
    return MappingProxyType({bot.bot_name: bot for bot in map(load_bot, files)})


def _stamps(folder: Path) -> Mapping[Path, _Stamp]:
    """The bots' files and how each looks from outside. Not those of editors and systems, whose names begin with a dot;
    nor what vanished meanwhile."""
    found = {}
    try:
        for file in folder.glob("[!.]*.toml"):
            if stamp := _stamp(file):
                found[file] = stamp
    except OSError as error:
        log.error("bots=%s cannot be looked at: %s", folder, error)
    return found


def _stamp(file: Path) -> _Stamp | None:
    try:
        look = file.stat()
    except FileNotFoundError:
        return None
    except OSError:
        # A link in a circle, say. It must not hide the files behind it; whoever reads it hears why not.
        return UNSEEN
    return _Stamp(look.st_mtime_ns, look.st_size, look.st_ino) if stat.S_ISREG(look.st_mode) else None


class BotShelf:
    """The bots as their files stand: a change counts within a second, without a restart.

    A bot whose file became faulty is logged once and goes on as it was; the other files count all the same.
    """

    def __init__(self, folder: Path, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._folder = folder
        self._clock = clock
        self._seen = _stamps(folder)
        self._bots = load_bots(folder)
        self._looked_s = clock()

    @property
    def bots(self) -> Mapping[BotName, Bot]:
        # Asked for with every request, and each look waits for the disk.
        if self._clock() - self._looked_s >= LOOK_PERIOD_S:
            self._looked_s = self._clock()
            self.look()
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

    def look(self) -> None:
        """Take the files as they stand now; for an order that its giver may just have written down."""
        before, self._seen = self._seen, _stamps(self._folder)
        if self._seen == before:
            return
        bots = {}
        for file, stamp in sorted(self._seen.items()):
            name = BotName(file.stem)
            bot = self._bots.get(name)
            if before.get(file) != stamp:
                try:
                    bot = load_bot(file)
                except InvalidSettings as error:
                    log.error("bot=%s stays as it was: %s", name, error)
            if bot:
                bots[name] = bot
        # A folder that shows nothing is being replaced or out of reach; a server without a bot is of no use.
        if bots:
            self._bots = MappingProxyType(bots)
