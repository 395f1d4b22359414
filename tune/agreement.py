"""How often a run's reward model ranks held-out pairs as people did: what its folder says, and when to go by it.

Does not know torch, nor what it is asked.
"""

import math
from pathlib import Path
from typing import Final, NamedTuple

from nightschool.files import read_manifest
from tune.recipe import Recipe

FOLDER: Final = "reward"
"""Of the model, in a run's folder."""
Z: Final = 1.96
"""Of a 95 % interval."""


class Agreement(NamedTuple):
    """On held-out pairs."""

    pairs: int
    right: int
    bar: float = 0.0
    """Half way between the scores of what people preferred and of what they turned down, each in the middle."""

    @property
    def share(self) -> float:
        return self.right / self.pairs

    @property
    def bounds(self) -> tuple[float, float]:
        """Wilson's 95 % interval."""
        n, p = self.pairs, self.share
        middle, spread = p + Z**2 / (2 * n), Z * math.sqrt(p * (1 - p) / n + Z**2 / (4 * n**2))
        return (middle - spread) / (1 + Z**2 / n), (middle + spread) / (1 + Z**2 / n)

    def describe(self) -> str:
        if not self.pairs:
            return "no held-out pair says how good it is"
        low, high = self.bounds
        return f"ranks {self.share:.0%} ({low:.0%} to {high:.0%}) of {self.pairs} held-out pairs as people did"


def read_agreement(run: Path) -> Agreement | None:
    """None where the run has no reward model."""
    manifest = read_manifest(run / FOLDER)
    if manifest is None:
        return None
    pairs, right, bar = (manifest.about.get(key) or 0 for key in ("held_out_pairs", "held_out_right", "bar"))
    return Agreement(int(pairs), int(right), float(bar))


def distrust(run: Path, recipe: Recipe) -> str:
    """Why nothing is to go by the run's reward model; empty where it may."""
    agreement = read_agreement(run)
    if agreement is None:
        return "no reward model was trained this night"
    if agreement.pairs and agreement.bounds[0] >= recipe.reward_min_agreement:
        return ""
    return (
        f"the reward model {agreement.describe()}; recipe.reward_min_agreement asks for "
        f"{recipe.reward_min_agreement:.0%} as the lower end"
    )
