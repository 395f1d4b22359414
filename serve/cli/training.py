"""How far a training is, in one line of words; for `night` and `status`.

Knows the shape that the server answers with, not the server.
"""

from typing import TypedDict

from tune.progress import describe_seconds


class TrainingRow(TypedDict):
    """`serve.status.TrainingView`, which the command line does not import: it would bring the store along."""

    phase: str
    step: int
    steps: int
    loss: float
    learning_rate: float
    tokens_per_s: float
    left_s: float
    rewards_margin: float | None
    rewards_accuracy: float | None
    memory_mb: float | None
    reward: float | None


def describe_training(row: TrainingRow) -> str:
    """`sft 12/40, loss 1.234, lr 1.8e-04, 512 tokens/s, 3.1 GB, 2 min left`."""
    parts = [f"{row['phase']} {row['step']}/{row['steps']}", f"loss {row['loss']:.3f}"]
    if row["rewards_margin"] is not None:
        parts.append(f"margin {row['rewards_margin']:+.3f}")
    if row["rewards_accuracy"] is not None:
        parts.append(f"{row['rewards_accuracy']:.0%} of pairs right")
    if row["reward"] is not None:
        parts.append(f"reward {row['reward']:.3f}")
    parts += [f"lr {row['learning_rate']:.1e}", f"{row['tokens_per_s']:,.0f} tokens/s"]
    if row["memory_mb"] is not None:
        parts.append(f"{row['memory_mb'] / 1_000:.1f} GB")
    return ", ".join([*parts, f"{describe_seconds(row['left_s'])} left"])
