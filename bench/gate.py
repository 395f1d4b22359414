"""Which faults does the gate stop, do honest adapters still pass, and how often does it promote what is no better?

Plants the faults of a review and more (`bench/common/planted.py`) into a candidate's answers: base, production and
candidate are held-out references with 85, 65 and 50 % of their phrases replaced, on one more board of their words. Rows
are the shipped conversations and, where they lie beside the repository, public ones. A fault is stopped where no
verdict promotes it at 5 % of the answers (3 at least); figures made up, facts swapped and denials at 25 %. Boards
whose honest candidate fails tell nothing of faults and are left out of that count. Beside each verdict stands what
others would say: the higher mean wins; a mean gain of a point wins; a paired t-test; a percentile bootstrap, both over
rows at the gate's level. Then nights are simulated (`bench/common/years.py`): years of candidates that are no better,
nights of worse and of better ones, and years in which people ask something else than the exam does. With
`--false-alarms` instead: what people wrote themselves, answer by answer.
Run: python bench/gate.py [--quick | --false-alarms]   The last line is one JSON object.
"""

import argparse
import itertools
import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np

from bench.common.alarms import count_alarms, show_alarms, write_turns_as_talks
from bench.common.board import DATA, LEAST_PLANTED, MAX_ROWS, PUBLIC, SHIPPED, Unit, read_board
from bench.common.planted import PLANTED
from bench.common.years import (
    DRIFTS,
    NIGHTS,
    NO_GAIN,
    SPREADS,
    Promoted,
    Said,
    alphas_of_a_year,
    count_promoted,
    rivals_say,
)
from eval.answers import Label
from eval.gate import decide
from eval.rules import GateRules
from eval.scores import ScoreRow
from eval.vetoes.fault import Fault
from nightschool.records import Outcome

REPLACED: Final[Mapping[Label, float]] = {"base": 0.85, "production": 0.65, "candidate": 0.5}
FIRST_NIGHT: Final[Mapping[Label, float]] = {"base": 0.65, "candidate": 0.5}
TURNS: Final = "customer_turns/multidogo.jsonl.gz"
YEAR_SIZES: Final = (60, 120)
GAINS: Final = (-0.02, 0.05, 0.1, 0.15)
"""True ones, of which the first should be promoted never."""
GAIN_SIZES: Final = (50, 100, 200, 500)


class Trial(NamedTuple):
    board: str
    fault: str
    """Or which honest candidate."""
    share: float
    """0: honest."""
    promoted: bool
    others: Said
    found: float
    """Share of the planted answers with a fault that they had not before."""
    failed: tuple[str, ...] = ()


def try_board(file: Path, unit: Unit, *, seed: int, shares: Sequence[float], draws: int) -> list[Trial]:
    board, rules = read_board(file, seed=seed), GateRules(draws=draws, seed=seed)
    name = f"{board.name} ({unit})"
    sides = {label: board.answers(label, replaced=share, unit=unit, seed=seed) for label, share in REPLACED.items()}
    scores = {label: board.score(label, givens) for label, givens in sides.items()}
    base, production, honest = scores["base"], scores["production"], scores["candidate"]

    def judge(fault: str, share: float, *contestants: Mapping[int, ScoreRow], found: float = 0.0) -> Trial:
        verdict = decide(itertools.chain(*(scored.values() for scored in contestants)), rules)
        failed = tuple(reason for reason in verdict.reasons if reason.startswith("failed"))
        rival, candidate = contestants[-2:]
        gains = np.array([candidate[place].token_f1 - rival[place].token_f1 for place in rival])
        return Trial(name, fault, share, verdict.outcome is Outcome.PROMOTE, rivals_say(gains), found, failed)

    first = [
        board.score(label, board.answers(label, replaced=share, unit=unit, seed=seed))
        for label, share in FIRST_NIGHT.items()
    ]
    trials = [judge("first night", 0.0, *first), judge("later night", 0.0, base, production, honest)]
    for (title, fault), share in itertools.product(PLANTED.items(), shares):
        changed = board.plant(fault, sides["candidate"], share=share, seed=seed)
        if len(changed) < LEAST_PLANTED:
            # An exam of hardly any numbers cannot have them wrong.
            continue
        planted = board.score("candidate", changed)
        new = [bool({*row.faults} - {*honest[place].faults}) or row.is_empty for place, row in planted.items()]
        trials.append(judge(title, share, base, production, {**honest, **planted}, found=float(np.mean(new))))
    return trials


def show_faults(trials: Sequence[Trial], shares: Sequence[float]) -> int:
    """Prints in how many verdicts each fault is promoted; gives the number of faults that are stopped."""
    print(f"{'fault planted':40}{'share':>6}{'found':>8}{'gate':>8}" + "".join(f"{name:>11}" for name in Said._fields))
    stopped = 0
    for (title, fault), share in itertools.product(PLANTED.items(), shares):
        met = [trial for trial in trials if (trial.fault, trial.share) == (title, share)]
        passed = [trial.board for trial in met if trial.promoted]
        mark = ""
        if share == fault.share:
            stopped += not passed
            mark = "  must be stopped" + (f", IS NOT: {', '.join(passed)}" if passed else "")
        found = float(np.mean([trial.found for trial in met]))
        others = np.array([trial.others for trial in met]).mean(axis=0)
        print(
            f"{title:40}{share:>6.0%}{found:>8.0%}{len(passed) / len(met):>8.0%}"
            + "".join(f"{promoted:>11.0%}" for promoted in others)
            + mark
        )
    return stopped


def show_honest(trials: Sequence[Trial]) -> int:
    """Prints why honest candidates failed; gives how many did not."""
    passed = sum(trial.promoted for trial in trials)
    print(f"\nhonest candidates promoted: {passed} of {len(trials)}")
    for trial in trials:
        for reason in trial.failed:
            print(f"  {trial.board}, {trial.fault}: {reason}")
    return passed


def show_years(pool: ProcessPoolExecutor, *, years: int) -> dict[str, float]:
    """Prints how many candidates without gain each rule promotes in a year; gives the most of any world."""
    alphas, rules = alphas_of_a_year(), GateRules()
    print(f"\npromoted in a year of {NIGHTS} nights, none of whose candidates is better, {years} year(s) each")
    print(f"promised: {rules.false_promotions_a_year:g}; a night spends {alphas[-1]:.4f}")
    print(f"{'':34}{'n':>5}{'gate':>9}" + "".join(f"{name:>11}" for name in Said._fields))
    runs = {
        (world, size): pool.submit(count_promoted, world, size, alphas=alphas * years)
        for world, size in itertools.product([*NO_GAIN, *(f"drift {share}" for share in DRIFTS)], YEAR_SIZES)
    }
    most = {"gate": 0.0, "mean": 0.0, "drift": 0.0}
    for (world, size), run in runs.items():
        done = run.result()
        gate, mean = done.gate / years, done.others[0] / years
        print(f"{world:34}{size:>5}{gate:>9.2f}" + "".join(f"{count / years:>11.1f}" for count in done.others))
        if world in NO_GAIN:
            most |= {"gate": max(most["gate"], gate), "mean": max(most["mean"], mean)}
        else:
            most["drift"] = max(most["drift"], gate)
    print(f"drift X: the exam asks X of yesterday's kind, people half; {DRIFTS[0]} is none")
    return {
        "false_promote": round(most["gate"], 4),
        "alpha": rules.false_promotions_a_year,
        "naive_false_promote": round(most["mean"], 2),
        "drift_false_promote": round(most["drift"], 4),
    }


def show_gains(pool: ProcessPoolExecutor, *, nights: int) -> dict[str, float]:
    """Prints which share of nights each rule promotes, by the true gain; gives how often ours is wrong."""
    alphas = alphas_of_a_year()[-1:] * nights
    print(f"\nshare of {nights} nights of which each promotes a candidate with a true gain; a night as any other")
    print(f"{'gain per conversation':34}{'n':>5}{'gate':>9}" + "".join(f"{name:>11}" for name in Said._fields))
    runs = {
        (gain, spread, size): pool.submit(count_promoted, f"sd {spread}", size, alphas=alphas, gain=gain)
        for gain, spread, size in itertools.product(GAINS, SPREADS, GAIN_SIZES)
    }
    found: dict[tuple[float, float, int], Promoted] = {}
    for (gain, spread, size), run in runs.items():
        found[gain, spread, size] = done = run.result()
        shares = "".join(f"{count / nights:>11.1%}" for count in done.others)
        print(f"{f'{gain:+.2f}, sd {spread}':34}{size:>5}{done.gate / nights:>9.1%}{shares}")
    worse = [done for (gain, _, _), done in found.items() if gain < 0]
    noisiest = found[0.1, SPREADS[-1], 200]
    return {
        "worse_promote": round(max(done.gate for done in worse) / nights, 4),
        "naive_worse_promote": round(max(done.others[0] for done in worse) / nights, 4),
        "false_hold_10pt_n200": round(1 - noisiest.gate / nights, 4),
    }


def try_gate(files: Sequence[Path], *, is_quick: bool) -> dict[str, float]:
    seeds, draws, years, nights = (1, 400, 1, 40) if is_quick else (3, 1_000, 20, 1_000)
    shares = (0.05, 0.25)
    boards: list[tuple[Path, Unit]] = [*((file, "phrases") for file in files), (SHIPPED, "words")]
    print(f"{len(boards)} exams of {MAX_ROWS} rows at most, {seeds} seed(s) each")
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        runs = [
            pool.submit(try_board, file, unit, seed=seed, shares=shares, draws=draws)
            for seed, (file, unit) in itertools.product(range(seeds), boards)
        ]
        results = [run.result() for run in runs]
        simulated = show_years(pool, years=years) | show_gains(pool, nights=nights)
    honest = [trial for result in results for trial in result if not trial.share]
    telling = [trial for result in results if result[1].promoted for trial in result if trial.share]
    print()
    stopped = show_faults(telling, shares)
    return {
        "faults_stopped": stopped,
        "faults_total": len(PLANTED),
        "honest_passed": show_honest(honest),
        "honest_total": len(honest),
        **simulated,
    }


def try_people(files: Sequence[Path]) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as scratch, ProcessPoolExecutor(os.cpu_count()) as pool:
        turns = DATA / TURNS
        to = Path(scratch) / turns.parent.name / "talks.jsonl"
        every = [*files, *([write_turns_as_talks(turns, to)] if turns.exists() else ())]
        found = [alarms for some in pool.map(count_alarms, every) for alarms in some]
    show_alarms(found)
    return {
        "answers": sum(alarms.answers for alarms in found),
        **{f"{fault}": sum(alarms.found.get(fault, 0) for alarms in found) for fault in Fault},
    }


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Planted faults, honest adapters, and years of nights.")
    parser.add_argument("--quick", action="store_true", help="fewer seeds and nights: about a minute")
    parser.add_argument("--false-alarms", action="store_true", help="what is found in answers that people gave")
    chosen = parser.parse_args(arguments)
    files = [SHIPPED, *(DATA / name for name in PUBLIC if (DATA / name).exists())]
    print(json.dumps(try_people(files) if chosen.false_alarms else try_gate(files, is_quick=chosen.quick)))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
