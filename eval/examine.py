"""One evaluation from start to end: ask every contestant the held-out rows, score, decide, write it down.

In: a dataset folder, an engine that has the contestants loaded, the bot's gate rules. Out: a folder with
answers.parquet, scores.parquet, suites.json and judge.json (where those were asked), verdict.json,
report.md, report.png and, last, its manifest. Interrupted, it goes on where it was; finished, it returns what it found.
Does not know cycles, bots or what a verdict leads to.
"""

import asyncio
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

from eval.answers import Contestant, Label
from eval.answers_file import ANSWERS, write_answers
from eval.asking import Examined, OnStep, ask_everyone
from eval.exam import read_exam
from eval.gate import Verdict, decide
from eval.judge import JudgeOrder, judge_answers
from eval.judge_file import JudgeFile, write_judge
from eval.report import Sample, write_report
from eval.reward import RewardOrder, score_by_reward
from eval.rules import GateRules
from eval.scores import score_answer, write_scores
from eval.shown import GuardOrder
from eval.suite.registry import SuiteOrder
from eval.suite.results import write_suites
from eval.verdict import SCORES, Question, read_verdict, write_verdict
from eval.vote_scores import VOTES, write_votes
from nightschool.engine import Engine
from nightschool.errors import EvaluationFailed, InvalidInput
from nightschool.files import publish, read_manifest
from nightschool.records import Sampling

LABELS: Final[tuple[Label, ...]] = ("base", "anchor", "production", "candidate")
KIND: Final = "evaluation"


async def examine(
    engine: Engine,
    *,
    dataset: Path,
    contestants: Mapping[str, Contestant],
    sampling: Sampling,
    gate: GateRules,
    folder: Path,
    on_step: OnStep,
    production_hash: str,
    production_trained: frozenset[str] = frozenset(),
    rotation: str = "",
    core: Path | None = None,
    suites: SuiteOrder | None = None,
    judge: JudgeOrder | None = None,
    guard: GuardOrder | None = None,
    reward: RewardOrder | None = None,
    cache: Path | None = None,
    in_flight: int = 16,
) -> Verdict:
    """The verdict on contestants["candidate"] against "production" (may be missing or the base itself), "base" and
    "anchor" (where a person promoted one).

    `production_hash` is what should be live, the base's own hash where nothing should: a production that could not be
    loaded must not lower the bar. `production_trained` names the conversations that it was trained on; `rotation`
    which draw of the changing part is asked, `core` the file that names the part which does not change. `suites` are
    asked beside the rows, told in suites.json, and none may be lost; what `judge` finds is told, what `reward` finds
    may be gone by. With a `guard` answers are compared as people would be shown them, and what must not be said is
    looked for in their own words. Answers are kept in `cache`, a folder of this engine set-up (`eval.kept`), for other
    nights, else in `folder` until the end, so that nothing is asked twice; the manifest says how many were `asked` and
    how many `read`. Raises InvalidInput, EvaluationFailed, and what the engine raises.
    """
    question = _pose(dataset, contestants, sampling=sampling, gate=gate, rotation=rotation)
    _check_production(contestants, production_hash=production_hash)
    exam = await asyncio.to_thread(
        read_exam, dataset, rules=gate, rotation=rotation, production_trained=production_trained, core=core
    )
    question = question.model_copy(update={"rules": replace(gate, primary=exam.primary)})
    if read_manifest(folder) is not None:
        return _found(folder, question)
    kept = cache or _draft(folder)
    examined = await ask_everyone(
        engine, exam, question=question, guard=guard, suites=suites, cache=kept, on_step=on_step, in_flight=in_flight
    )
    if reward is not None:
        found = await score_by_reward(reward, examined.rows, examined.as_read(), rules=question.rules, cache=kept)
        examined = replace(examined, facts=replace(examined.facts, reward=found))
    heard = None
    if judge is not None:
        heard = await judge_answers(
            judge, examined.rows, examined.as_read(), ranked=exam.votes.pairs, contestants=question.contestants,
            cache=kept,
        )  # fmt: skip
    return await asyncio.to_thread(_write_down, folder, examined, question=question, judge=heard)


def _pose(
    dataset: Path, contestants: Mapping[str, Contestant], *, sampling: Sampling, gate: GateRules, rotation: str
) -> Question:
    manifest = read_manifest(dataset)
    if manifest is None:
        raise InvalidInput("was never finished", subject=str(dataset), remedy="Build the dataset again.")
    if not {"base", "candidate"} <= set(contestants) <= set(LABELS):
        raise InvalidInput(
            f"are {', '.join(contestants) or 'none'}",
            subject="the contestants",
            remedy="Give base and candidate, production where an adapter is live, and the anchor where there is one.",
        )
    if any(contestant.label != label for label, contestant in contestants.items()):
        raise InvalidInput("are labelled otherwise than keyed", subject="the contestants", remedy="Make them agree.")
    return Question(
        dataset_hash=manifest.content_hash,
        contestants=tuple(_distinct(contestants)),
        sampling=sampling,
        rules=gate,
        rotation=rotation,
    )


def _distinct(contestants: Mapping[str, Contestant]) -> Iterator[Contestant]:
    """In the order of LABELS. Before the first promotion production *is* the base model, and an anchor may be either:
    each is asked and compared with once. The candidate always stays."""
    base = contestants["base"].content_hash
    production = contestants.get("production", contestants["base"]).content_hash
    known: Mapping[str, frozenset[str]] = {"production": frozenset({base}), "anchor": frozenset({base, production})}
    for label in LABELS:
        if label in contestants and contestants[label].content_hash not in known.get(label, frozenset()):
            yield contestants[label]


def _check_production(contestants: Mapping[str, Contestant], *, production_hash: str) -> None:
    answering = contestants.get("production", contestants["base"])
    if answering.content_hash != production_hash:
        raise EvaluationFailed(
            f"the record has {production_hash[:12] or 'the base model'} in production, but "
            f"{answering.content_hash[:12] or 'the base model'} ({answering.model}) would be asked in its place",
            subject="production",
            remedy="Wait until it is loaded, or roll back, then examine again.",
        )


def _found(folder: Path, question: Question) -> Verdict:
    stored = read_verdict(folder)
    if stored.question != question:
        raise InvalidInput(
            "holds the evaluation of another question",
            subject=str(folder),
            remedy="Give each evaluation its own folder.",
        )
    return stored.to_verdict()


def _draft(folder: Path) -> Path:
    return folder / ".answers"


def _write_down(folder: Path, examined: Examined, *, question: Question, judge: JudgeFile | None) -> Verdict:
    folder.mkdir(parents=True, exist_ok=True)
    if examined.suites is not None:
        write_suites(folder, examined.suites)
    if judge is not None:
        write_judge(folder, judge)
    faults = {label: examined.examiner.find_faults(answers) for label, answers in examined.answers.items()}
    scores = [
        score_answer(
            row,
            answers[row.row_id],
            label=label,
            faults=faults[label][row.row_id],
            shown=examined.shown[label][row.row_id],
        )
        for label, answers in examined.answers.items()
        for row in examined.rows
    ]
    lost = examined.suites.results if examined.suites is not None else ()
    verdict = decide(scores, question.rules, facts=examined.facts, votes=examined.votes, suites=lost)
    write_answers(folder / ANSWERS, examined.rows, examined.answers, examined.shown)
    write_scores(folder / SCORES, scores)
    write_votes(folder / VOTES, examined.votes)
    write_verdict(folder, verdict, question=question, facts=examined.facts, skipped_rows=examined.skipped_rows)
    write_report(
        folder, verdict, scores=scores, rules=question.rules, samples=_samples(examined),
        skipped_rows=len(examined.skipped_rows), judge=judge, reward=examined.facts.reward,
    )  # fmt: skip
    asked = {"outcome": verdict.outcome.value, "dataset_hash": question.dataset_hash}
    publish(folder, kind=KIND, about={**asked, **examined.work})
    # Behind the manifest: cut off before it, nobody is asked again.
    shutil.rmtree(_draft(folder), ignore_errors=True)
    return verdict


def _samples(examined: Examined) -> list[Sample]:
    read = examined.shown.items()
    return [Sample(row, {label: shown[row.row_id].text for label, shown in read}) for row in examined.rows]
