"""How likely contestants find what people liked and disliked: the table of it, and what of it compares two contestants.

The margin is per token and between kinds: who finds every answer likelier by as much, or less likely, has gained
nothing, whichever kind there is more of. Pure but for the file. Does not know an engine.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from eval.answers import Label
from nightschool.errors import EvaluationFailed, InvalidInput

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
VOTES: Final = "votes.parquet"
LEAST_KIND: Final = 5
"""So many people must have liked something, and so many disliked something: who only unlearns would win by dislikes."""
LEAST_ASKED: Final = 5
"""So many witnesses must have been answered, whatever votes say: faults are found in answers alone."""
_TEXTS: Final = ("contestant", "row_id", "witness")
_SCHEMA: Final = pa.schema(
    [
        *(pa.field(name, pa.string(), nullable=False) for name in _TEXTS),
        *(pa.field(name, pa.float64()) for name in ("liked_nats", "disliked_nats")),
    ]
)


@dataclass(frozen=True, slots=True)
class VoteScore:
    """Of an answer that people voted on one number is there, of a pair of answers to one prompt both."""

    contestant: Label
    row_id: str
    witness: str
    """Who spoke, else the conversation."""
    liked_nats: float | None
    """Mean log-probability per token of what was liked, its end of turn included."""
    disliked_nats: float | None


class Gains(NamedTuple):
    """(m,) each vote's part in the margin, and whose it is; the mean is the margin's gain."""

    values: FloatArray
    witness: IntArray


class Votes(NamedTuple):
    """One contestant's, rows sorted by id."""

    liked: tuple[VoteScore, ...]
    disliked: tuple[VoteScore, ...]
    pairs: tuple[VoteScore, ...]

    @property
    def sizes(self) -> dict[str, float]:
        return {
            "liked_votes": float(len(self.liked)),
            "disliked_votes": float(len(self.disliked)),
            "held_out_pairs": float(len(self.pairs)),
            "vote_witnesses": float(len(_witnesses((*self.liked, *self.disliked)))),
        }

    @property
    def preference_accuracy(self) -> float | None:
        """Share of pairs whose better answer is found likelier per token; a tie is half right. None without pairs."""
        if not self.pairs:
            return None
        margins = _nats(self.pairs, liked=True) - _nats(self.pairs, liked=False)
        return float(np.mean((margins > 0) + 0.5 * (margins == 0)))


NO_VOTES: Final = Votes((), (), ())


def pair_votes(scores: Iterable[VoteScore]) -> Mapping[Label, Votes]:
    """Each contestant's votes, all on the same rows. Raises EvaluationFailed where they are not paired."""
    groups: dict[Label, list[VoteScore]] = {}
    for score in sorted(scores, key=lambda score: score.row_id):
        groups.setdefault(score.contestant, []).append(score)
    shapes = {
        tuple((s.row_id, s.witness, s.liked_nats is None, s.disliked_nats is None) for s in g) for g in groups.values()
    }
    if len(shapes) > 1:
        raise EvaluationFailed(
            "were not asked of every contestant alike", subject="the votes", remedy="Examine them again."
        )
    return {label: _sort(group) for label, group in groups.items()}


def margin_gains(candidate: Votes, rival: Votes) -> Gains:
    """How far the candidate moved towards liked answers and away from disliked ones: half the difference between the
    two kinds' mean changes, in nats per token, as a mean over all votes, so that votes can be resampled."""
    parts = []
    for sign, own, other in ((1, candidate.liked, rival.liked), (-1, candidate.disliked, rival.disliked)):
        with np.errstate(invalid="ignore"):
            moved = sign * (_nats(own, liked=sign > 0) - _nats(other, liked=sign > 0))
        votes = len(candidate.liked) + len(candidate.disliked)
        parts.append(moved * votes / (2 * max(len(own), 1)))
    names = [score.witness for score in (*candidate.liked, *candidate.disliked)]
    witness = np.unique(names, return_inverse=True)[1].astype(np.int64)
    return Gains(np.concatenate(parts), witness)


def can_judge(liked: Iterable[str], disliked: Iterable[str], *, asked: int, least: int) -> bool:
    """Whether votes of these witnesses may be the primary metric, where so many witnesses were answered besides."""
    liking, disliking = set(liked), set(disliked)
    enough = len(liking | disliking) >= least and asked >= LEAST_ASKED
    return enough and min(len(liking), len(disliking)) >= LEAST_KIND


def write_votes(file: Path, scores: Sequence[VoteScore]) -> None:
    pq.write_table(pa.Table.from_pylist([asdict(score) for score in scores], schema=_SCHEMA), file)


def read_votes(file: Path) -> tuple[VoteScore, ...]:
    """() where an older Nightschool examined. Raises InvalidInput."""
    if not file.exists():
        return ()
    try:
        table = pq.read_table(file)
    except pa.ArrowInvalid as error:
        raise InvalidInput(f"cannot be read ({error})", subject=str(file), remedy="Examine again.") from error
    if not table.schema.equals(_SCHEMA):
        raise InvalidInput("does not hold the columns of votes", subject=str(file), remedy="Examine again.")
    return tuple(VoteScore(**row) for row in table.to_pylist())


def _sort(group: Sequence[VoteScore]) -> Votes:
    return Votes(
        liked=tuple(score for score in group if score.disliked_nats is None),
        disliked=tuple(score for score in group if score.liked_nats is None),
        pairs=tuple(score for score in group if score.liked_nats is not None and score.disliked_nats is not None),
    )


def _nats(scores: Sequence[VoteScore], *, liked: bool) -> FloatArray:
    return np.array([s.liked_nats if liked else s.disliked_nats for s in scores], dtype=np.float64)


def _witnesses(scores: Iterable[VoteScore]) -> set[str]:
    return {score.witness for score in scores}
