"""Which suites there are: the shipped ones, a bot's golden cases and complaints, public sets, and anybody's.

A package offers a suite under the entry point group `nightschool.suites`: a function that takes the bot's system prompt
and gives a `Suite`. What cannot be read is told and left out; nobody's suite ends a night.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Final, NamedTuple

from eval.shown import GuardOrder
from eval.suite.case import Suite, SuiteCase
from eval.suite.golden import read_golden
from eval.suite.public import PUBLIC, read_public
from eval.suite.regression import NAME as REGRESSION
from eval.suite.regression import read_regression
from nightschool.errors import NightschoolError
from nightschool.knowledge import Found, render

Find = Callable[[Sequence[str]], Found]
"""A conversation's questions, oldest first -> what the bot's documents hold for the last one."""
GROUP: Final = "nightschool.suites"
GOLDEN: Final = "golden"
GENERAL: Final = "general"
"""Text of which contestants only say how likely they find it."""
SHIPPED: Final = {name: Path(__file__).with_name(f"{name}.yaml") for name in ("retention", "behaviour")}


@dataclass(frozen=True, slots=True)
class SuiteOrder:
    """Which suites an evaluation asks."""

    names: tuple[str, ...]
    """`golden`, `regression`, `retention`, `general`, `behaviour`, a public set's, or what a package offers."""
    system_prompt: str
    dataset: Path
    golden: tuple[Path, ...] = ()
    """Files or folders of the bot's own cases."""
    max_cases: int = 60
    """Of each suite, the first ones of its order."""
    folder: Path | None = None
    """Where the user has public sets, each in a folder of its name."""
    guard: GuardOrder | None = None
    """How the bot holds back what stands on nothing: its golden cases are looked at as people would be shown them."""
    find: Find | None = None
    """The bot's documents, where it has any: its golden cases and manners are asked below what is found there."""


class Gathered(NamedTuple):
    suites: tuple[Suite, ...]
    problems: tuple[str, ...]
    """What could not be read, in a sentence each."""


def gather_suites(order: SuiteOrder) -> Gathered:
    """In the order of names; one without any case is left out."""
    known = dict(_known(order))
    suites, problems = [], []
    for name in dict.fromkeys(order.names):
        if name not in known:
            problems.append(f"{name}: is no suite here. Choose among {', '.join(sorted(known))}.")
            continue
        try:
            suite = known[name]()
            if suite.cases:
                suites.append(replace(suite, cases=tuple(suite.cases)[: order.max_cases]))
        except NightschoolError as error:
            problems.append(f"{name}: {error}")
        except Exception as error:  # somebody's package, which must not end a night
            problems.append(f"{name}: could not be made ({error!r}). Mend the package that offers it.")
    return Gathered(tuple(suites), tuple(problems))


def _known(order: SuiteOrder) -> Iterator[tuple[str, Callable[[], Suite]]]:
    for point in entry_points(group=GROUP):
        yield point.name, partial(_offered, point, order.system_prompt)
    for name, file in SHIPPED.items():
        # General skill is asked for without a part to play; manners are the bot's own.
        is_own = name == "behaviour"
        prompt, find = (order.system_prompt, order.find) if is_own else ("", None)
        yield name, partial(_read, name, (file,), prompt, find)
    yield GENERAL, _general
    for name in PUBLIC:
        yield name, partial(read_public, name, order.folder)
    yield REGRESSION, lambda: Suite(REGRESSION, read_regression(order.dataset, max_cases=order.max_cases))
    yield GOLDEN, lambda: replace(_read(GOLDEN, order.golden, order.system_prompt, order.find), guard=order.guard)


def _offered(point: EntryPoint, system_prompt: str) -> Suite:
    suite = point.load()(system_prompt)
    if not isinstance(suite, Suite):
        raise TypeError(f"{point.value} gives no Suite")
    return replace(suite, name=point.name)


def _general() -> Suite:
    file = Path(__file__).with_name(f"{GENERAL}.yaml")
    return Suite(GENERAL, read_golden(file, system_prompt=""), max_tokens=0, scores_references=True)


def _read(name: str, files: Sequence[Path], system_prompt: str, find: Find | None) -> Suite:
    cases = read_golden(*files, system_prompt=system_prompt)
    return Suite(name, cases if find is None else tuple(_standing(case, find) for case in cases))


def _standing(case: SuiteCase, find: Find) -> SuiteCase:
    """The case as it is served. One that goes on after the first answer stands on nothing: each turn finds its own."""
    if case.then:
        return case
    system = "\n\n".join(message["content"] for message in case.messages if message["role"] == "system")
    said = [message for message in case.messages if message["role"] != "system"]
    found = find([message["content"] for message in said if message["role"] == "user"])
    return replace(case, messages=tuple(render(system, said, found.passages)))
