"""The stages of an adapter and the moves between them, as one table.

In: an adapter and where it shall go. Out: the move, whose adapter and event are stored together. Does not
know how a move is stored (collect) or served (`deploy.rollout`), nor whether it is wise (eval).
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from types import MappingProxyType
from typing import Final

from nightschool.errors import IllegalMove, InvalidInput
from nightschool.records import Adapter, Event, Moved, Stage, new_id

MOVES: Final[Mapping[Stage, frozenset[Stage]]] = MappingProxyType(
    {
        Stage.CANDIDATE: frozenset({Stage.SHADOW, Stage.CANARY, Stage.PRODUCTION, Stage.RETIRED, Stage.TAINTED}),
        Stage.SHADOW: frozenset({Stage.CANARY, Stage.PRODUCTION, Stage.RETIRED, Stage.TAINTED}),
        Stage.CANARY: frozenset({Stage.PRODUCTION, Stage.RETIRED, Stage.TAINTED}),
        Stage.PRODUCTION: frozenset({Stage.PREVIOUS, Stage.RETIRED, Stage.TAINTED}),
        Stage.PREVIOUS: frozenset({Stage.PRODUCTION, Stage.RETIRED, Stage.TAINTED}),
        # An operator may bring a retired adapter back, with a reason; its files are kept.
        Stage.RETIRED: frozenset({Stage.PRODUCTION, Stage.TAINTED}),
        Stage.TAINTED: frozenset(),
    }
)

GATE: Final = "gate"
"""Who moves an adapter by a passing verdict, in the audit."""


def in_production(adapters: Iterable[Adapter]) -> Adapter | None:
    """Of one bot's; None for the base model."""
    return next((adapter for adapter in adapters if adapter.stage is Stage.PRODUCTION), None)


def move(adapter: Adapter, to: Stage, *, actor: str, reason: str, at: datetime) -> Moved:
    """The adapter in its new stage and the event to store with it. Raises IllegalMove, which lists the legal moves."""
    legal = MOVES[adapter.stage]
    if to not in legal:
        choices = ", ".join(sorted(legal)) or "nothing; this stage is final"
        raise IllegalMove(
            f"is {adapter.stage} and cannot become {to}", subject=str(adapter.name), remedy=f"It can become: {choices}."
        )
    event = Event(
        event_id=new_id(),
        at=at,
        bot=adapter.bot,
        actor=actor,
        action=f"{adapter.stage}->{to}",
        subject=str(adapter.name),
        reason=reason,
    )
    return Moved(replace(adapter, stage=to), adapter.stage, event)


def put_aside(adapter: Adapter) -> Stage:
    """Where an adapter goes that is not wanted any more: a tainted one never comes back."""
    return Stage.TAINTED if adapter.tainted_at else Stage.RETIRED


def moves_up(adapter: Adapter, others: Iterable[Adapter], *, actor: str, reason: str, at: datetime) -> list[Moved]:
    """Everybody one step down, or aside, then the adapter into production."""
    steps = {Stage.PRODUCTION: Stage.PREVIOUS, Stage.PREVIOUS: Stage.RETIRED}
    down = [
        move(
            other,
            put_aside(other) if other.tainted_at else steps[other.stage],
            actor=actor,
            reason=f"{adapter.name} was promoted",
            at=at,
        )
        for other in others
        if other.stage in steps and other.version != adapter.version
    ]
    return [*down, move(adapter, Stage.PRODUCTION, actor=actor, reason=reason, at=at)]


def ways_down(
    adapters: Iterable[Adapter], *, current: Adapter, version: int | None, refused: Collection[str]
) -> list[Adapter]:
    """Where a rollback from `current` may go, best first; behind the last of them stands the base model.

    Only what was live before, newest first. `version` names the first of them, 0 the base model; what a person took
    down (`refused`, by content hash) is gone to only by name. Raises InvalidInput for a version that never was live.
    """
    if version == 0:
        return []
    once_live = sorted(
        (a for a in adapters if a.live_at and not a.tainted_at and a.version != current.version),
        key=lambda a: (a.stage is Stage.PREVIOUS, a.live_at, a.version),
        reverse=True,
    )
    names = [adapter.version for adapter in once_live]
    if version is not None and version not in names:
        raise InvalidInput(
            "never was live or is tainted, so there is no way back to it",
            subject=f"{current.bot}@{version}",
            remedy="`nightschool promote` puts a version live.",
        )
    first = 0 if version is None else names.index(version)
    down = {*refused, current.content_hash}
    return [a for a in once_live[first:] if a.version == version or a.content_hash not in down]


def moves_as_mermaid() -> str:
    """The table as a Mermaid state diagram, for the docs."""
    lines = [f"    {stage} --> {to}" for stage, targets in MOVES.items() for to in sorted(targets)]
    return "\n".join(["stateDiagram-v2", "    [*] --> candidate", *lines])


def check_reason(reason: str, *, subject: str) -> None:
    """Of a person who moves an adapter. Raises InvalidInput where there is none."""
    if not reason.strip():
        raise InvalidInput("needs a reason", subject=subject, remedy="Say why, with --reason.", param="reason")
