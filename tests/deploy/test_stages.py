"""The table of moves: every pair of stages, and the event of each move."""

import itertools
from datetime import UTC, datetime

import pytest

from deploy.stages import MOVES, in_production, move, moves_as_mermaid
from nightschool.errors import IllegalMove
from nightschool.records import Adapter, BotName, Stage

AT = datetime(2026, 1, 2, tzinfo=UTC)


def adapter(stage: Stage) -> Adapter:
    return Adapter(BotName("support"), 3, "abc", "adapters/support/abc", stage, "cycle", "dataset", AT)


@pytest.mark.parametrize(("start", "to"), list(itertools.product(Stage, Stage)))
def test_every_pair(start: Stage, to: Stage) -> None:
    if to in MOVES[start]:
        moved = move(adapter(start), to, actor="ada", reason="better", at=AT)
        assert moved.adapter.stage is to
        assert (moved.event.actor, moved.event.reason, moved.event.subject) == ("ada", "better", "support@3")
        assert moved.event.action == f"{start}->{to}"
    else:
        with pytest.raises(IllegalMove) as caught:
            move(adapter(start), to, actor="ada", reason="better", at=AT)
        assert all(legal in str(caught.value) for legal in MOVES[start])


def test_nothing_leads_out_of_tainted_and_everything_else_leads_into_it() -> None:
    assert MOVES[Stage.TAINTED] == frozenset()
    assert all(Stage.TAINTED in MOVES[stage] for stage in Stage if stage is not Stage.TAINTED)


def test_one_stage_alone_is_production() -> None:
    others = [adapter(stage) for stage in Stage if stage is not Stage.PRODUCTION]
    assert in_production(others) is None
    live = adapter(Stage.PRODUCTION)
    assert in_production([*others, live]) is live


def test_the_diagram_shows_every_move() -> None:
    diagram = moves_as_mermaid()
    assert all(f"{start} --> {to}" in diagram for start, targets in MOVES.items() for to in targets)
