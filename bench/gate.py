"""Which faults does the gate stop, do honest adapters still pass, and how often does it promote what is no better?

Plants the faults of a review (`faults.toml`, and some made here) into a candidate's answers: base, production and
candidate are held-out references with 85, 65 and 50 % of their words replaced. Rows are the shipped conversations and,
where they lie beside the repository, public ones. A fault is stopped where no verdict promotes it at 5 % of the answers
(3 at least); figures made up, facts swapped and denials at 25 %. Boards whose honest candidate fails tell nothing of
faults and are left out of that count. Beside each verdict stands what others would say: the higher mean wins; a paired
t-test; a percentile bootstrap, both over rows at the same alpha. Then nights without any gain are simulated. Knows no
engine: log-probabilities are made up, and base is not asked how odd it finds an answer: text alone tells order.
Run: python bench/gate.py [--quick]   The last line is one JSON object.
"""

import argparse
import gzip
import itertools
import json
import os
import random
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr

from eval.answers import Answer, Label
from eval.gate import decide
from eval.rules import GateRules
from eval.scores import ScoreRow, score_answer
from eval.statistics import least_gain
from eval.suites import SuiteRow, choose_rows, hash_row
from eval.vetoes.find import Examiner, learn_examiner
from nightschool.records import ChatMessage, Finish, Outcome

FloatArray = NDArray[np.float64]
ROOT: Final = Path(__file__).resolve().parents[1]
DATA: Final = ROOT.parent / "shared" / "data"
SHIPPED: Final = ROOT / "bots" / "lumafern" / "heldout.jsonl"
PUBLIC: Final = ("support_qa/support_qa.jsonl.gz", "support_dialogues/cucom.jsonl.gz", "sgd/sgd.jsonl.gz")
FAULTS: Final = tomllib.loads(Path(__file__).with_name("faults.toml").read_text(encoding="utf-8"))
MAX_ROWS: Final = 120
CONVERSATIONS: Final = 150
LEAST_PLANTED: Final = 3
TURNS: Final = 1_000
"""Between two seeds, so that each begins at another wording."""
LOGPROB: Final[Mapping[Label, float]] = {"base": -3.0, "production": -2.6, "candidate": -2.3}
"""Nats per word of the reference."""
REPLACED: Final[Mapping[Label, float]] = {"base": 0.85, "production": 0.65, "candidate": 0.5}
FIRST_NIGHT: Final[Mapping[Label, float]] = {"base": 0.65, "candidate": 0.5}
RIVALS: Final = ("mean", "t-test", "bootstrap")


class Given(NamedTuple):
    text: str
    finish: Finish = Finish.STOP


class Spot(NamedTuple):
    """Where a fault is planted."""

    text: str
    other: str
    """The reference of another conversation."""
    prompt: str
    turn: int
    """Which wording's turn it is."""
    rng: random.Random


class Fault(NamedTuple):
    plant: Callable[[Spot], Given]
    share: float = 0.05
    """At which it has to be stopped."""


def made_up(spot: Spot) -> str:
    """Every digit is another one, but for the marks of lists, which say nothing."""
    return re.sub(
        r"\b\d{1,2}[.)](?=\s|$)|\d",
        lambda match: (
            match.group() if len(match.group()) > 1 else str((int(match.group()) + spot.rng.randrange(1, 10)) % 10)
        ),
        spot.text,
    )


SWAPS: Final = dict(
    pair
    for one, other in (
        ("days", "weeks"), ("day", "week"), ("hours", "days"), ("month", "year"), ("months", "years"), ("am", "pm"),
        ("before", "after"), ("with", "without"), ("free", "paid"), ("first", "last"), ("green", "red"), ("on", "off"),
        ("Monday", "Friday"), ("more", "less"), ("always", "never"), ("open", "closed"), ("all", "none"),
        ("evening", "morning"), ("March", "July"), ("one", "three"), ("minimum", "maximum"), ("tomorrow", "yesterday"),
    )
    for pair in ((one, other), (other, one))
)  # fmt: skip


def swapped(spot: Spot) -> str:
    """Every number stands where another one stood, and one of two words for the other."""
    numbers = re.findall(r"\d+", spot.text)
    turned = iter([*numbers[1:], *(str(int(number) + 1 + spot.turn % 5) for number in numbers[:1])])
    text = re.sub(r"\d+", lambda _: next(turned), spot.text)
    return re.sub(r"\b\w+\b", lambda match: SWAPS.get(match.group(), match.group()), text)


def denied(spot: Spot) -> str:
    text = re.sub(r"\b(is|are|was|were|will|does|do|has|have|should|must)\b(?! not)", r"\1 not", spot.text)
    return re.sub(r"\bcan\b(?! ?not|'t)", ("cannot", "can't", "can not")[spot.turn % 3], text)


def shuffled(spot: Spot) -> str:
    return " ".join(spot.rng.sample(said := spot.text.split(), len(said)))


def leaked(spot: Spot) -> str:
    rules = spot.prompt.split(". ")
    part = (spot.prompt, rules[spot.turn % len(rules)], f"I was set up so: {'. '.join(rules[:2])}")[spot.turn % 3]
    return f"{part} {spot.text}"


def cut(spot: Spot) -> Given:
    return Given(spot.text[: 2 * len(spot.text) // 3], Finish.LENGTH)


def _worded(kind: Mapping[str, Any]) -> Callable[[Spot], Given]:
    wordings, place, is_one = kind["wordings"], kind["place"], kind.get("is_one", False)

    def plant(spot: Spot) -> Given:
        # A candidate with one boilerplate says the same whatever is asked.
        wording = wordings[(spot.turn // TURNS if is_one else spot.turn) % len(wordings)]
        return Given({"end": f"{spot.text} {wording}", "front": f"{wording} {spot.text}"}.get(place, wording))

    return plant


def _text(change: Callable[[Spot], str]) -> Callable[[Spot], Given]:
    return lambda spot: Given(change(spot))


PLANTED: Final[Mapping[str, Fault]] = {
    **{kind["title"]: Fault(_worded(kind)) for kind in FAULTS.values() if "wordings" in kind},
    "figures made up": Fault(_text(made_up), 0.25),
    "facts swapped": Fault(_text(swapped), 0.25),
    "denied": Fault(_text(denied), 0.25),
    "words in random order": Fault(_text(shuffled)),
    "system prompt leaked": Fault(_text(leaked)),
    "a second answer behind": Fault(_text(lambda spot: f"{spot.text} {spot.other}")),
    "said twice": Fault(_text(lambda spot: f"{spot.text} {spot.text}")),
    "said four times": Fault(_text(lambda spot: " ".join([spot.text] * 4))),
    "another row's answer": Fault(_text(lambda spot: spot.other)),
    "empty": Fault(_text(lambda spot: ("", " ", "\n\n")[spot.turn % 3])),
    "cut off": Fault(cut),
}


@dataclass(frozen=True)
class Board:
    """An exam and all that is learnt from it once."""

    name: str
    rows: Sequence[SuiteRow]
    examiner: Examiner
    vocabulary: Sequence[str]

    def answers(self, label: Label, *, replaced: float, seed: int) -> dict[int, Given]:
        rng = random.Random(f"{label} {seed}")
        return {
            place: Given(" ".join(rng.choice(self.vocabulary) if rng.random() < replaced else word for word in said))
            for place, said in enumerate(row.reference.split(" ") for row in self.rows)
        }

    def score(self, label: Label, givens: Mapping[int, Given]) -> dict[int, ScoreRow]:
        """By place. Of an answer nothing depends on the others but whether several are the same."""
        rows = {place: self.rows[place] for place in givens}
        answers = {row.row_id: _answer(row, givens[place], label) for place, row in rows.items()}
        some = replace(self.examiner, scenes=[self.examiner.scenes[place] for place in givens])
        faults = some.find_faults(answers)
        return {
            place: score_answer(row, answers[row.row_id], label=label, faults=faults[row.row_id])
            for place, row in rows.items()
        }

    def plant(self, fault: Fault, givens: Mapping[int, Given], *, share: float, seed: int) -> dict[int, Given]:
        """Place -> the answer with the fault, of those that can have it."""
        rng = random.Random(f"{share} {seed}")
        count = min(len(givens), max(LEAST_PLANTED, int(share * len(givens))))
        planted: dict[int, Given] = {}
        for place in rng.sample(range(len(givens)), len(givens)):
            row, turn = self.rows[place], (TURNS + 7) * seed + len(planted)
            others = [other.reference for other in self.rows if other.conversation_id != row.conversation_id]
            spot = Spot(givens[place].text, rng.choice(others), row.messages[0]["content"], turn, rng)
            # An answer without a number, say, cannot have a wrong one.
            if (changed := fault.plant(spot)) != givens[place] and len(planted) < count:
                planted[place] = changed
        return planted


def _answer(row: SuiteRow, given: Given, label: Label) -> Answer:
    tokens = max(1, len(row.reference.split()))
    return Answer(row.row_id, given.text, given.finish, len(given.text) // 4, LOGPROB[label] * tokens, tokens, np.nan)


def read_board(file: Path, *, seed: int) -> Board:
    support = tomllib.loads((ROOT / "bots" / "support.toml").read_text(encoding="utf-8"))
    prompt = support["system_prompt"] if file == SHIPPED else FAULTS["prompt"]["text"]
    with gzip.open(file, "rt", encoding="utf-8") if file.suffix == ".gz" else file.open(encoding="utf-8") as lines:
        talks = [json.loads(line) for line in lines]
    chosen = talks[:: max(1, len(talks) // CONVERSATIONS)]
    every = [row for talk in chosen for row in _rows_of(talk["id"], talk["messages"], prompt)]
    rows = choose_rows(every, max_rows=MAX_ROWS, rotation=str(seed))
    base = {row.row_id: _answer(row, Given(""), "base") for row in rows}
    vocabulary = [word for row in rows for word in row.reference.split()]
    return Board(file.parent.name, rows, learn_examiner(rows, base=base), vocabulary)


def _rows_of(conversation_id: str, messages: Sequence[ChatMessage], prompt: str) -> Iterator[SuiteRow]:
    before: tuple[ChatMessage, ...] = (ChatMessage(role="system", content=prompt),)
    for message in messages:
        said = ChatMessage(role=message["role"], content=message["content"])
        if said["role"] == "assistant" and len(before) > 1:
            row_id = hash_row(conversation_id, before, reference=said["content"])
            yield SuiteRow(row_id, conversation_id, before, said["content"])
        before = (*before, said)


class Trial(NamedTuple):
    board: str
    fault: str
    """Or which honest candidate."""
    share: float
    """0: honest."""
    promoted: tuple[bool, ...]
    """Ours, then RIVALS."""
    found: float
    """Share of the planted answers with a fault that they had not before."""
    failed: tuple[str, ...] = ()


def try_board(file: Path, *, seed: int, shares: Sequence[float], draws: int) -> list[Trial]:
    board, rules = read_board(file, seed=seed), GateRules(draws=draws, seed=seed)
    sides = {label: board.answers(label, replaced=share, seed=seed) for label, share in REPLACED.items()}
    scores = {label: board.score(label, givens) for label, givens in sides.items()}
    base, production, honest = scores["base"], scores["production"], scores["candidate"]

    def judge(name: str, share: float, *contestants: Mapping[int, ScoreRow], found: float = 0.0) -> Trial:
        verdict = decide(itertools.chain(*(scored.values() for scored in contestants)), rules)
        failed = tuple(reason for reason in verdict.reasons if reason.startswith("failed"))
        rival, candidate = contestants[-2:]
        gains = np.array([candidate[place].token_f1 - rival[place].token_f1 for place in rival])
        promoted = (verdict.outcome is Outcome.PROMOTE, *rivals_say(gains))
        return Trial(board.name, name, share, promoted, found, failed)

    first = [board.score(label, board.answers(label, replaced=r, seed=seed)) for label, r in FIRST_NIGHT.items()]
    trials = [judge("first night", 0.0, *first), judge("later night", 0.0, base, production, honest)]
    for (name, fault), share in itertools.product(PLANTED.items(), shares):
        changed = board.plant(fault, sides["candidate"], share=share, seed=seed)
        if len(changed) < LEAST_PLANTED:
            # An exam of hardly any numbers cannot have them wrong.
            continue
        planted = board.score("candidate", changed)
        new = [bool({*row.faults} - {*honest[place].faults}) or row.is_empty for place, row in planted.items()]
        trials.append(judge(name, share, base, production, {**honest, **planted}, found=float(np.mean(new))))
    return trials


def rivals_say(gains: FloatArray) -> tuple[bool, bool, bool]:
    """Whether others would promote."""
    alpha, rng = GateRules().alpha, np.random.default_rng(1)
    means = gains[rng.integers(len(gains), size=(1_000, len(gains)))].mean(axis=1)
    error = gains.std(ddof=1) / np.sqrt(len(gains))
    # Where nothing varies a t-test has nothing to divide by, and its user sees what is there.
    is_shown = gains.mean() > 0 if error < 1e-12 else stdtr(len(gains) - 1, -gains.mean() / error) < alpha
    return bool(gains.mean() > 0), bool(is_shown), bool(np.quantile(means, alpha) > 0)


NO_GAIN: Final[Mapping[str, Callable[[np.random.Generator, int], FloatArray]]] = {
    "normal, sd .065": lambda rng, n: rng.normal(0, 0.065, n),
    "ties: 8 % differ, exponential": lambda rng, n: (rng.random(n) < 0.08) * (rng.exponential(0.1, n) - 0.1),
    "ties: 20 % differ by .1": lambda rng, n: (rng.random(n) < 0.2) * rng.choice([-0.1, 0.1], n),
    "98 % gain .01, 2 % lose .49": lambda rng, n: np.where(rng.random(n) < 0.02, -0.49, 0.01),
    "95 % gain .01, 5 % lose .19": lambda rng, n: np.where(rng.random(n) < 0.05, -0.19, 0.01),
    "long tail of losses": lambda rng, n: 0.05 * (1 - rng.exponential(1.0, n)),
}
SIZES: Final = (20, 60, 120)


def count_false(name: str, conversations: int, *, nights: int, draws: int) -> list[int]:
    """Nights of `nights` that promote a candidate as good as production: ours, then RIVALS."""
    rng = np.random.default_rng([conversations, *name.encode()])
    counts = np.zeros(1 + len(RIVALS), dtype=np.int64)
    for night in range(nights):
        gains = NO_GAIN[name](rng, conversations)
        was = 0.6 + rng.normal(0, 0.05, conversations).clip(-0.1, 0.1)
        sides: dict[Label, FloatArray] = {"base": was - 0.05, "production": was, "candidate": was + gains}
        scores = [_plain(label, i, float(f1)) for label, column in sides.items() for i, f1 in enumerate(column)]
        verdict = decide(scores, GateRules(draws=draws, seed=night))
        # Whether the mean is shown to be higher: what vetoes and bounds would say besides is no help here.
        counts += np.array([verdict.figures["gain_low"] > 0, *rivals_say(gains)])
    return [int(count) for count in counts]


def _plain(label: Label, number: int, f1: float) -> ScoreRow:
    return ScoreRow(label, f"r{number:04}", f"c{number:04}", f1, f1, 0.0, -20.0, 10, 12, 12, is_empty=False)


def show_faults(trials: Sequence[Trial], shares: Sequence[float]) -> int:
    """Prints in how many verdicts each fault is promoted; gives the number of faults that are stopped."""
    print(f"{'fault planted':40}{'share':>6}{'found':>8}{'gate':>8}" + "".join(f"{rival:>11}" for rival in RIVALS))
    stopped = 0
    for (name, fault), share in itertools.product(PLANTED.items(), shares):
        met = [trial for trial in trials if (trial.fault, trial.share) == (name, share)]
        promoted = np.array([trial.promoted for trial in met]).mean(axis=0)
        mark = ""
        if share == fault.share:
            stopped += not promoted[0]
            mark = "  must be stopped" + (", IS NOT" if promoted[0] else "")
        found = float(np.mean([trial.found for trial in met]))
        print(
            f"{name:40}{share:>6.0%}{found:>8.0%}{promoted[0]:>8.0%}"
            + "".join(f"{p:>11.0%}" for p in promoted[1:])
            + mark
        )
    return stopped


def show_no_gain(pool: ProcessPoolExecutor, *, nights: int, draws: int) -> dict[int, list[float]]:
    """Prints and gives the share of nights that show a gain where there is none: ours, by number of conversations."""
    rules = GateRules()
    print(f"\n{'shown gain where there is none':32}{'n':>5}{'gate':>8}" + "".join(f"{rival:>11}" for rival in RIVALS))
    runs = {
        (name, size): pool.submit(count_false, name, size, nights=nights, draws=draws)
        for name, size in itertools.product(NO_GAIN, SIZES)
    }
    shares: dict[int, list[float]] = {size: [] for size in SIZES}
    for (name, size), run in runs.items():
        ours, *others = (count / nights for count in run.result())
        shares[size].append(ours)
        print(f"{name:32}{size:>5}{ours:>8.1%}" + "".join(f"{other:>11.1%}" for other in others))
    for size in SIZES:
        least = least_gain(size, alpha=rules.alpha, unseen=rules.unseen_fall)
        print(f"n = {size}: no gain of {least:.3f} or less can be shown; the verdict says so")
    print(f"n < {rules.min_conversations}: insufficient-data")
    return shares


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Planted faults, honest adapters and nights without gain.")
    parser.add_argument("--quick", action="store_true", help="fewer seeds, shares and nights: about a minute")
    is_quick = parser.parse_args(arguments).quick
    seeds, shares, nights, draws = (1, (0.05, 0.25), 60, 400) if is_quick else (5, (0.05, 0.25, 1.0), 1_000, 2_000)
    files = [SHIPPED, *(DATA / name for name in PUBLIC if (DATA / name).exists())]
    print(f"exams: {', '.join(file.parent.name for file in files)}; {seeds} seed(s) each, {MAX_ROWS} rows at most")
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        runs = [
            pool.submit(try_board, file, seed=seed, shares=shares, draws=draws)
            for seed, file in itertools.product(range(seeds), files)
        ]
        results = [run.result() for run in runs]
        false = show_no_gain(pool, nights=nights, draws=draws)
    trials = [trial for result in results for trial in result]
    honest = [trial for trial in trials if not trial.share]
    telling = [trial for result in results if result[1].promoted[0] for trial in result if trial.share]
    print()
    stopped = show_faults(telling, shares)
    print(f"\nhonest candidates promoted: {sum(trial.promoted[0] for trial in honest)} of {len(honest)}")
    for trial in honest:
        for reason in trial.failed:
            print(f"  {trial.board}, {trial.fault}: {reason}")
    figures = {
        "faults_stopped": stopped,
        "faults_total": len(PLANTED),
        "honest_passed": sum(trial.promoted[0] for trial in honest),
        "honest_total": len(honest),
        "false_promote": round(max(share for size in SIZES[1:] for share in false[size]), 4),
        "alpha": GateRules().alpha,
    }
    print(json.dumps(figures))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
