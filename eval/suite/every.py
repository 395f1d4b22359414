"""Every suite of an order put to every contestant, one contestant after the other, as an evaluation does.

Does not know held-out rows, nor what results lead to.
"""

import asyncio
import json
import logging
from collections.abc import Sequence
from pathlib import Path

from eval.answers import Contestant, gather_or_first_failure
from eval.kept import digest
from eval.suite.case import Suite, SuiteResult
from eval.suite.registry import SuiteOrder, gather_suites
from eval.suite.results import SuitesFile
from eval.suite.run import hash_question, run_suite
from nightschool.engine import Engine
from nightschool.records import Sampling

log = logging.getLogger(__name__)


def find_questions(order: SuiteOrder) -> frozenset[str]:
    """Under which replies are kept: of everything that the order asks."""
    return frozenset(
        hash_question(case, is_scored=suite.scores_references)
        for suite in gather_suites(order).suites
        for case in suite.cases
    )


def describe_suites(suites: Sequence[Suite]) -> str:
    """A hash of all that is asked and of the checks' names: another one where somebody changed a case."""
    cases = [
        [suite.name, suite.max_tokens, case.case_id, hash_question(case, is_scored=True), [c.name for c in case.checks]]
        for suite in suites
        for case in suite.cases
    ]
    return digest(json.dumps(cases))


async def ask_suites(
    order: SuiteOrder,
    engine: Engine,
    contestants: Sequence[Contestant],
    *,
    sampling: Sampling,
    cache: Path,
    in_flight: int = 16,
) -> SuitesFile:
    """What came of each; replies are kept in the folder `cache`. Raises what `run_suite` raises.

    One contestant after the other, and each one's suites at once: the last answers of one would leave the engine idle.
    """
    suites, problems = await asyncio.to_thread(gather_suites, order)
    for problem in problems:
        log.warning("a suite was left out of the exam: %s", problem)
    slots = asyncio.Semaphore(in_flight)
    results: list[SuiteResult] = []
    for contestant in contestants:
        asked = [run_suite(suite, engine, contestant, sampling=sampling, cache=cache, slots=slots) for suite in suites]
        results += await gather_or_first_failure(asked)
    return SuitesFile(results=tuple(results), problems=problems)
