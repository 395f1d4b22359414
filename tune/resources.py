"""How many rows a training computes at once, from the memory there is. Imports no torch.

The result does not depend on it but for rounding. So that a resumed run rounds alike the number is kept in the run's
folder, and it is a power of two, so that two runs of one machine mostly round alike too. An estimate on the careful
side: where memory proves short all the same, `tune.methods.memory` halves it. Does not know what is computed.
"""

import resource
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from pydantic import BaseModel, ConfigDict

from nightschool.files import write_atomic
from nightschool.learners import Learner

RESOURCES: Final = "resources.json"
ROOT: Final = Path("/")
SHARE: Final = 0.6
"""Of the free memory that is planned with: the estimate is rough, and a chat's engine grows too."""
OVERHEAD_BYTES: Final = 600_000_000
"""Of Python, torch and its work space, and of an adapter with its optimizer."""
CPU_MOST: Final = 4
"""More rows at once cost a CPU memory and gain it nothing."""
NF4_BYTES: Final = 0.55
"""Of a weight in 4 bits with its scales."""
WHOLE_BYTES: Final = 16
"""Of a weight that learns: in fp32 itself, its gradient and AdamW's two moments."""


class Shape(NamedTuple):
    """What of a decoder decides about the memory of a training."""

    layers: int
    hidden: int
    inner: int
    """Width of the feed-forward part."""
    heads: int
    vocabulary: int
    in_blocks: int
    """Weights in the layers, which 4 bits can hold."""
    elsewhere: int
    """Embeddings and head."""


class Needs(NamedTuple):
    fixed_bytes: int
    """However many rows there are."""
    row_bytes: int
    """Of the longest one, between forward and backward pass."""


class Room(NamedTuple):
    """What is needed and what there is."""

    needs: Needs
    most: int
    """Rows at once of which more would gain nothing."""
    free_bytes: int


class Resources(BaseModel):
    """`resources.json`: what a run began with."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rows_at_once: int
    free_mb: int | None = None
    """None where the recipe said how many rows."""
    needed_mb: int | None = None
    """By estimate."""

    def describe(self) -> str:
        if self.free_mb is None:
            return f"rows_at_once={self.rows_at_once}, as the recipe says"
        return f"rows_at_once={self.rows_at_once}, since {self.needed_mb} of {self.free_mb} free MB are thought to do"


def read_shape(config: Any, *, in_blocks: int, elsewhere: int) -> Shape:
    """Of a Hugging Face text config, whose layers may differ."""
    hidden = int(config.hidden_size)
    return Shape(
        layers=int(config.num_hidden_layers),
        hidden=hidden,
        inner=_largest(getattr(config, "intermediate_size", None), otherwise=4 * hidden),
        heads=_largest(getattr(config, "num_attention_heads", None), otherwise=1),
        vocabulary=int(config.vocab_size),
        in_blocks=in_blocks,
        elsewhere=elsewhere,
    )


def _largest(found: int | Sequence[int] | None, *, otherwise: int) -> int:
    return max(found) if isinstance(found, Sequence) else int(found or otherwise)


def estimate(shape: Shape, *, learner: Learner, row_tokens: int, number_bytes: int, is_checkpointed: bool) -> Needs:
    """What a training needs whose products are numbers of `number_bytes`.

    Of each layer a forward pass keeps the inputs of its linear layers and norms, four of its inner width around the
    activation, and attention weights in fp32 and in the model's type for each head; `is_checkpointed` keeps a hidden
    state instead, and all this of one layer at a time. At the end each token has logits, in fp32 and with a gradient.
    """
    weights = shape.in_blocks + shape.elsewhere
    fixed = {
        "lora": weights * number_bytes,
        "qlora": shape.in_blocks * NF4_BYTES + shape.elsewhere * number_bytes,
        "full": weights * (WHOLE_BYTES + (number_bytes if number_bytes < 4 else 0)),
    }[learner]
    linear = (10 * shape.hidden + 4 * shape.inner) * number_bytes
    layer = linear + shape.heads * row_tokens * (4 + number_bytes)
    kept = shape.layers * (shape.hidden * number_bytes if is_checkpointed else layer)
    token = kept + (layer if is_checkpointed else 0) + shape.vocabulary * (number_bytes + 4 + 4)
    return Needs(OVERHEAD_BYTES + int(fixed), row_tokens * token)


def plan_rows(room: Room) -> int:
    """The largest power of two that fits: whether one row fits only trying can tell."""
    rows = 1
    while 2 * rows <= room.most and room.needs.fixed_bytes + 2 * rows * room.needs.row_bytes <= SHARE * room.free_bytes:
        rows *= 2
    return rows


def keep_resources(run: Path, *, ordered: int, measure: Callable[[], Room]) -> Resources:
    """What the run began with; planned where it begins now and the recipe's `ordered` is 0."""
    if ordered:
        return Resources(rows_at_once=ordered)
    file = run / RESOURCES
    if file.exists():
        return Resources.model_validate_json(file.read_bytes())
    room = measure()
    rows = plan_rows(room)
    planned = Resources(
        rows_at_once=rows,
        free_mb=room.free_bytes // 10**6,
        needed_mb=(room.needs.fixed_bytes + rows * room.needs.row_bytes) // 10**6,
    )
    write_atomic(file, planned.model_dump_json() + "\n")
    return planned


def free_memory_bytes(root: Path = ROOT) -> int:
    """What this process may still take: of the machine, of its control group, of its own limit."""
    found = [_machine_free(root), _group_free(root), _own_limit()]
    return min(value for value in found if value is not None)


def _machine_free(root: Path) -> int | None:
    file = root / "proc/meminfo"
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    found = [int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")]
    return found[0] if found else None


def _group_free(root: Path) -> int | None:
    """None without a limit; of version 2, whose group a container sees at the root."""
    group = root / "sys/fs/cgroup"
    limit, used = group / "memory.max", group / "memory.current"
    if not (limit.exists() and used.exists()) or limit.read_text(encoding="utf-8").strip() == "max":
        return None
    # What was read from files and not lately used is given back on demand.
    lines = (group / "memory.stat").read_text(encoding="utf-8").splitlines()
    cached = sum(int(line.split()[1]) for line in lines if line.startswith("inactive_file "))
    return max(0, int(limit.read_text(encoding="utf-8")) - int(used.read_text(encoding="utf-8")) + cached)


def _own_limit() -> int:
    soft, _ = resource.getrlimit(resource.RLIMIT_DATA)
    return soft if soft != resource.RLIM_INFINITY else 2**62
