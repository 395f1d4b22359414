"""An evaluation as operators are shown it, by command line and console alike: a night's, or one asked for by hand.

Knows where each lies and which one a name means. Does not know how one is drawn (`eval.findings`, `eval.page`).
"""

import asyncio
import json
from contextlib import suppress
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict

from collect import registry
from collect.registry import Evaluation
from collect.store import Cursor
from deploy.comparing import Comparison, name_of
from eval.findings import Findings, read_findings
from eval.page import HTML
from eval.verdict import VerdictFile
from nightschool.errors import InvalidInput, NotFound
from nightschool.home import Home
from nightschool.records import AdapterName, BotName, Outcome
from serve.parts import Parts

HELD_OUT: Final = "held-out"
"""The rows of the dataset that no adapter was taught."""
REMEDY: Final = "Name a bot, an adapter (`nightschool adapters` lists them) or a night (`nightschool status --json`)."


class EvaluationView(BaseModel):
    """What was compared, what came of it, and where its files are."""

    model_config = ConfigDict(frozen=True)

    bot: str
    candidate: str
    """`support@3`."""
    against: str
    suite: str
    verdict: Outcome
    reasons: tuple[str, ...]
    figures: dict[str, float]
    evaluated_at: datetime | None
    """None for one by hand, which says the same whenever it is asked."""
    cycle: str | None
    """The night's; None for one by hand."""
    folder: str
    """Relative to the data folder, and so is `html`."""
    html: str | None
    findings: Findings | None
    """None where its files are gone or are older than this Nightschool; the record has the rest."""


async def find_evaluation(parts: Parts, name: str | None) -> Evaluation:
    """The newest one that `name` means: a bot, a version of it, or a night; any where there is none.

    Raises NotFound.
    """
    found = await parts.store.read(partial(_look_up, name=name))
    if found is None:
        raise NotFound("has no evaluation", subject=repr(name) if name else "the record", remedy=REMEDY)
    return found


async def view_evaluation(parts: Parts, evaluation: Evaluation) -> EvaluationView:
    """A night's."""
    folder = parts.home.root / evaluation.folder
    findings = await asyncio.to_thread(_read, folder)
    return EvaluationView(
        bot=evaluation.bot,
        candidate=str(AdapterName(evaluation.bot, evaluation.candidate)),
        against=_rival(evaluation.bot, findings),
        suite=HELD_OUT,
        verdict=evaluation.outcome,
        reasons=evaluation.reasons,
        figures=json.loads(evaluation.figures_json),
        evaluated_at=evaluation.evaluated_at,
        cycle=evaluation.cycle_id,
        folder=evaluation.folder,
        html=_html(parts.home, folder.parent),
        findings=findings,
    )


async def view_comparison(parts: Parts, comparison: Comparison, stored: VerdictFile) -> EvaluationView:
    """One by hand."""
    return EvaluationView(
        bot=comparison.bot.name,
        candidate=name_of(comparison, comparison.candidate),
        against=name_of(comparison, comparison.against),
        suite=HELD_OUT,
        verdict=stored.outcome,
        reasons=stored.reasons,
        figures=stored.figures,
        evaluated_at=None,
        cycle=None,
        folder=str(comparison.evaluation.relative_to(parts.home.root)),
        html=_html(parts.home, comparison.folder),
        findings=await asyncio.to_thread(_read, comparison.evaluation),
    )


def _look_up(cursor: Cursor, *, name: str | None) -> Evaluation | None:
    adapter = AdapterName.parse(name) if name else None
    if name and adapter is None and (night := registry.find_evaluation(cursor, name)):
        return night
    bot, version = adapter or (BotName(name) if name else None, None)
    if adapter and version is None:  # the base model is compared with and never examined
        return None
    return next(iter(registry.evaluations(cursor, bot=bot, candidate=version, limit=1)), None)


def _rival(bot: BotName, findings: Findings | None) -> str:
    models = {contestant.label: contestant.model for contestant in findings.contestants} if findings else {}
    return models.get("production", str(AdapterName(bot, None)))


def _read(folder: Path) -> Findings | None:
    with suppress(InvalidInput, NotFound):
        return read_findings(folder)
    return None


def _html(home: Home, folder: Path) -> str | None:
    file = folder / HTML
    return str(file.relative_to(home.root)) if file.exists() else None
