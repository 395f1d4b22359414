"""The section `[evals]` of the settings: how much callers may have graded here, and by whom."""

from pydantic import Field

from nightschool.section import Section


class EvalsSettings(Section):
    max_run_rows: int = Field(default=10_000, ge=1, le=1_000_000)
    """Most rows of one run."""
    max_key_runs: int = Field(default=10, ge=1, le=10_000)
    """So many runs of one key may wait or run at once."""
    in_flight: int = Field(default=2, ge=1, le=256)
    """So many answers, all runs together have the engine give at once."""
