"""The section `[evals]` of the settings: how much callers may have graded here, and by whom."""

from pydantic import Field

from nightschool.section import Section


class EvalsSettings(Section):
    max_run_rows: int = Field(default=10_000, ge=1, le=1_000_000)
    """Most rows of one run."""
    max_key_runs: int = Field(default=10, ge=1, le=10_000)
    """So many runs of one key may wait or run at once."""
    max_key_bytes: int = Field(default=1_000_000_000, ge=1_000, le=2**44)
    """So many bytes of rows the runs of one key may have, those that are over too."""
    in_flight: int = Field(default=2, ge=1, le=256)
    """So many answers, all runs together have the engine give at once; and so many rows are graded at once."""
    judge_bot: str = Field(default="", pattern=r"^([a-z][a-z0-9-]{0,39})?$")
    """Bot whose [judge] grades for callers (score_model, label_model), at its owner's cost. Empty: none does."""
    python: bool = False
    """Callers' own Python grades too, in a process that can only compute (docs/evals.md says what that is worth)."""
