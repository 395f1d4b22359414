"""Every suite of an order put to a contestant, as an evaluation does.

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
from eval.suite.registry import Gathered, SuiteOrder, gather_suites
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


async def read_suites(order: SuiteOrder | None) -> Gathered:
    """What an evaluation is to ask; what cannot be read is logged, too."""
    if order is None:
        return Gathered((), ())
    gathered = await asyncio.to_thread(gather_suites, order)
    for problem in gathered.problems:
        log.warning("a suite was left out of the exam: %s", problem)
    return gathered


async def ask_suites(
    suites: Sequence[Suite],
    engine: Engine,
    contestant: Contestant,
    *,
    sampling: Sampling,
    cache: Path,
    in_flight: int = 16,
) -> list[SuiteResult]:
    """What came of each; replies are kept in the folder `cache`. Raises what `run_suite` raises.

    All at once, `in_flight` questions at most: the last answers of one suite would leave the engine idle.
    """
    slots = asyncio.Semaphore(in_flight)
    asked = [run_suite(suite, engine, contestant, sampling=sampling, cache=cache, slots=slots) for suite in suites]
    return await gather_or_first_failure(asked)
