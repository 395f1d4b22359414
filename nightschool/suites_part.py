"""The section `[suites]` of a bot's file: which further questions an exam asks, whose answers a program can check.

Plain values; what a suite is, eval knows.
"""

from pydantic import Field

from nightschool.section import Section


class SuitesPart(Section):
    """What an exam asks beside the held-out rows."""

    run: tuple[str, ...] = ("golden", "regression", "retention", "general")
    """Suites that a night asks: these, "behaviour", a public set, or what a package offers; `docs/suites.md`."""
    golden: str = ""
    """File of the bot's own cases (YAML), or a folder of such; its path counts from where the server was started."""
    folder: str = ""
    """Where public sets lie, each in a folder of its name ("ifeval", "mt_bench", "banking77"); its path likewise."""
    max_cases: int = Field(default=60, ge=1, le=10_000)
    """Of each suite, so that a night's exam stays short."""
