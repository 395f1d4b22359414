"""An evaluation as a short table: the verdict first, then figures with intervals, reasons, and where the page lies."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from eval.answers import Label
from eval.complaints import SuiteLine
from eval.judge_file import JudgeFile
from serve.cli.talk import give, give_table, local_time

LABELS: Final[tuple[Label, ...]] = ("base", "anchor", "production", "candidate")
NOT_MEASURED: Final = "-"


def give_evaluation(found: Mapping[str, Any], *, root: Path) -> None:
    """`found` is `serve.evaluations.EvaluationView`; `root` the data folder, which its paths are below."""
    give(f"{found['candidate']} against {found['against']}: {found['verdict']}")
    give(_when(found))
    findings = found["findings"]
    if findings and findings["figures"]:
        labels = [label for label in LABELS if label in findings["figures"][0]["of"]]
        give("")
        give_table(list(_rows(findings, labels)), {"title": "", **{label: label for label in labels}}, empty="")
    if findings and findings["suites"]:
        lines = [SuiteLine.model_validate(line) for line in findings["suites"]]
        labels = [label for label in LABELS if any(label in line.of for line in lines)]
        rows = [{"suite": line.name, **{label: line.tell(label) for label in labels}} for line in lines]
        give("")
        give_table(rows, {"suite": "suite", **{label: label for label in labels}}, empty="")
    give("")
    for problem in findings["suite_problems"] if findings else ():
        give(f"  not asked: {problem}")
    for reason in found["reasons"]:
        give(f"  {reason}")
    for sentence in findings.get("ages", ()) if findings else ():
        give(f"  {sentence}")
    if findings and findings.get("judge"):
        for sentence in JudgeFile.model_validate(findings["judge"]).tell():
            give(f"  {sentence}")
    for sentence in findings.get("reward_told", ()) if findings else ():
        give(f"  {sentence}")
    where = found["html"] or found["folder"]
    give(f"\n{'page' if found['html'] else 'files'}: {root / where}")


def _when(found: Mapping[str, Any]) -> str:
    findings = found["findings"]
    asked = f"; {findings['rows']} rows of {findings['conversations']} conversations" if findings else ""
    night = f"night {found['cycle']}, {local_time(found['evaluated_at'])}" if found["cycle"] else "by hand"
    return f"{found['suite']}, {night}{asked}"


def _rows(findings: Mapping[str, Any], labels: Sequence[str]) -> Iterator[dict[str, str]]:
    for gain in findings["gains"]:
        title = f"gain over {gain['over']}, {findings['primary']}"
        yield {"title": title, "candidate": _cell(gain["gain"], sign="+")}
    for figure in findings["figures"]:
        cells = {label: _cell(figure["of"][label]) for label in labels}
        yield {
            "title": f"{figure['title']} (less is better)" if figure["better"] == "less" else figure["title"],
            **cells,
        }
    if (reward := findings.get("reward")) and not reward["problem"]:
        rate = {"value": reward["win_rate"], "low": reward["low"], "high": reward["high"]}
        yield {"title": f"reward model: win rate over {reward['rival']}", "candidate": _cell(rate)}
    if findings.get("judge"):
        yield from _judged(JudgeFile.model_validate(findings["judge"]))


def _judged(judge: JudgeFile) -> Iterator[dict[str, str]]:
    """None where the judge could not be asked."""
    if won := judge.wins:
        yield {"title": f"judge: win rate over {won.rival}", "candidate": _cell(won.at_equal_length.model_dump())}
    if found := judge.agreement:
        yield {"title": "judge: agrees with people", "candidate": _cell(found.share.model_dump())}


def _cell(measured: Mapping[str, float | None], *, sign: str = "") -> str:
    """`0.412 [0.380, 0.450]`."""
    value, low, high = measured["value"], measured["low"], measured["high"]
    if value is None:
        return NOT_MEASURED
    interval = "" if low is None or high is None else f" [{low:{sign}.3f}, {high:{sign}.3f}]"
    return f"{value:{sign}.3f}{interval}"
