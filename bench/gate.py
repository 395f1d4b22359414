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
    AGAINST,
    DRIFTS,
    NIGHTS,
    NO_GAIN,
    SPREADS,
    Said,
    Shares,
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
WORSE: Final = -0.02
"""A true gain that should be promoted never."""
GAINS: Final = (0.05, 0.1, 0.15)
"""True ones that should be held never."""
GAIN_SIZES: Final = (50, 100, 200, 500)
"""Conversations."""
KINDS: Final = {f"drift {AGAINST}": "_drift"}


SHARES: Final = (0.05, 0.25)
"""Of the answers that a fault is planted into; each has to be stopped at one of them."""


class Plan(NamedTuple):
    seeds: int
    """Of the exams."""
    draws: int
    shows_other_shares: bool
    """Whether faults are planted at the share at which they need not be stopped, too."""
    years: int
    """Of nights without gain, in each world."""
    nights: int
    """For each gain."""
    spreads: Sequence[float]


FULL: Final = Plan(seeds=3, draws=1_000, shows_other_shares=True, years=20, nights=NIGHTS, spreads=SPREADS)
QUICK: Final = Plan(seeds=1, draws=400, shows_other_shares=False, years=1, nights=40, spreads=SPREADS[::2])


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


def try_board(file: Path, unit: Unit, *, seed: int, plan: Plan) -> list[Trial]:
    board, rules = read_board(file, seed=seed), GateRules(draws=plan.draws, seed=seed)
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
    for (title, fault), share in itertools.product(PLANTED.items(), SHARES):
        if share != fault.share and not plan.shows_other_shares:
            continue
        changed = board.plant(fault, sides["candidate"], share=share, seed=seed)
        if len(changed) < LEAST_PLANTED:
            # An exam of hardly any numbers cannot have them wrong.
            continue
        planted = board.score("candidate", changed)
        new = [bool({*row.faults} - {*honest[place].faults}) or row.is_empty for place, row in planted.items()]
        trials.append(judge(title, share, base, production, {**honest, **planted}, found=float(np.mean(new))))
    return trials


def show_faults(trials: Sequence[Trial]) -> int:
    """Prints in how many verdicts each fault is promoted; gives the number of faults that are stopped."""
    print(f"{'fault planted':40}{'share':>6}{'found':>8}{'gate':>8}" + "".join(f"{name:>11}" for name in Said._fields))
    stopped = 0
    for (title, fault), share in itertools.product(PLANTED.items(), SHARES):
        met = [trial for trial in trials if (trial.fault, trial.share) == (title, share)]
        if not met:
            continue
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
    """Prints what each rule promotes of candidates without gain; gives the most of any world, as shares of nights."""
    alphas, a_year = alphas_of_a_year(), GateRules().false_promotions_a_year
    print(f"\npromoted in a year of {NIGHTS} nights, none of whose candidates is better, {years} year(s) each")
    print(f"promised: {a_year:g}; a night spends {alphas[-1]:.4f}")
    print(f"{'':34}{'n':>5}" + "".join(f"{name:>11}" for name in Shares._fields))
    runs = {
        (world, size): pool.submit(count_promoted, world, size, alphas=alphas * years)
        for world, size in itertools.product([*NO_GAIN, *(f"drift {share}" for share in DRIFTS)], YEAR_SIZES)
    }
    found = {case: run.result().shares for case, run in runs.items()}
    for (world, size), shares in found.items():
        print(f"{world:34}{size:>5}{shares.gate * NIGHTS:>11.2f}" + "".join(f"{s * NIGHTS:>11.1f}" for s in shares[1:]))
    print(f"drift X: the exam asks X of a kind on which candidates gain, people half; {DRIFTS[0]} is none")
    still = [shares for (world, _), shares in found.items() if world in NO_GAIN]
    most = Shares(*(max(rule) for rule in zip(*still, strict=True)))
    return {
        "false_promote": most.gate,
        "alpha": a_year / NIGHTS,
        "false_promotions_a_year": most.gate * NIGHTS,
        "naive_false_promote": most.mean,
        "fixed_false_promote": most.threshold,
        "drift_false_promote": max(shares.gate for (world, _), shares in found.items() if world not in NO_GAIN),
    }


def show_gains(pool: ProcessPoolExecutor, *, nights: int, spreads: Sequence[float]) -> dict[str, float]:
    """Prints in which share of nights each rule is wrong, by the true gain; gives the gate's, and the worst of all."""
    alphas = alphas_of_a_year()[-1:] * nights
    still = [f"sd {spread}" for spread in spreads]
    cases = [
        *itertools.product([WORSE], [*still, f"drift {DRIFTS[-1]}"], GAIN_SIZES),
        *itertools.product(GAINS, [*still, f"drift {AGAINST}"], GAIN_SIZES),
    ]
    runs = {
        (gain, world, size): pool.submit(count_promoted, world, size, alphas=alphas, gain=gain)
        for gain, world, size in cases
    }
    found = {case: run.result().shares for case, run in runs.items()}
    _show_shares("promoted of candidates that are worse by two points", {c: s for c, s in found.items() if c[0] < 0})
    held = {case: Shares(*(1 - share for share in shares)) for case, shares in found.items() if case[0] > 0}
    _show_shares("held of candidates that are better", held)
    print(f"drift {DRIFTS[-1]}, {AGAINST}: so much of the exam is of the kind on which the candidate gains more")
    worse = [shares for (gain, world, _), shares in found.items() if gain < 0 and world in still]
    drifted = [shares.gate for (gain, world, _), shares in found.items() if gain < 0 and world not in still]
    return {
        "worse_promote": max(shares.gate for shares in worse),
        "naive_worse_promote": max(shares.mean for shares in worse),
        "fixed_worse_promote": max(shares.threshold for shares in worse),
        "drift_worse_promote": max(drifted),
        **{
            f"false_hold{KINDS.get(world, '')}_{100 * gain:.0f}pt_n{size}": shares.gate
            for (gain, world, size), shares in held.items()
            if world == still[0] or world in KINDS
        },
        "noisy_false_hold_10pt_n200": held[0.1, still[-1], 200].gate,
    }


def _show_shares(what: str, shares: Mapping[tuple[float, str, int], Shares]) -> None:
    """A line for each gain and world; behind each rule's name a column for each size of exam."""
    rules = ("gate", "mean", "threshold")
    print(f"\n{what}, share of nights, by the number of conversations; a point is .01 of token F1 (0..1)")
    print(" " * 24 + "".join(f"{f'{rule} {size}':>{len(rule) + 5}}" for rule in rules for size in GAIN_SIZES))
    for gain, world in dict.fromkeys((gain, world) for gain, world, _ in shares):
        columns = (
            f"{getattr(shares[gain, world, size], rule):>{len(rule) + 5}.1%}" for rule in rules for size in GAIN_SIZES
        )
        print(f"{f'{100 * gain:+.0f} points, {world}':24}" + "".join(columns))


def try_gate(files: Sequence[Path], *, is_quick: bool) -> dict[str, float]:
    plan = QUICK if is_quick else FULL
    boards: list[tuple[Path, Unit]] = [*((file, "phrases") for file in files), (SHIPPED, "words")]
    print(f"{len(boards)} exams of {MAX_ROWS} rows at most, {plan.seeds} seed(s) each")
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        runs = [
            pool.submit(try_board, file, unit, seed=seed, plan=plan)
            for seed, (file, unit) in itertools.product(range(plan.seeds), boards)
        ]
        results = [run.result() for run in runs]
        simulated = show_years(pool, years=plan.years) | show_gains(pool, nights=plan.nights, spreads=plan.spreads)
    honest = [trial for result in results for trial in result if not trial.share]
    telling = [trial for result in results if result[1].promoted for trial in result if trial.share]
    print()
    stopped = show_faults(telling)
    return {
        "faults_stopped": stopped,
        "faults_total": len(PLANTED),
        "honest_passed": show_honest(honest),
        "honest_total": len(honest),
        **{name: round(share, 4) for name, share in simulated.items()},
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
