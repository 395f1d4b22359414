"""What stands of an answer and a voter is found by one index, whatever else stands on the answer."""

from datetime import UTC, datetime

import pytest

from collect.lookup import LISTED, LISTED_FROM
from collect.standing import DROP, STANDING, find_standing, opinion_id, replace_standing
from collect.store import Cursor, Store
from nightschool.records import BotName, Feedback, Vote

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
CROWD = 5_000


def opinion(voter: str, vote: Vote = Vote.UP, *, message_id: str = "said") -> Feedback:
    return Feedback(message_id, BotName("support"), voter, vote, ("slow",), "", "", NOON)


def fill(cursor: Cursor) -> None:
    """A crowd's votes on one answer."""
    crowd = [opinion(f"browser:{number}") for number in range(CROWD)]
    replace_standing(cursor, new=crowd, stored={}, former=[], addresses={("said", "browser:7"): "home"})


@pytest.mark.parametrize("statement", [STANDING.format(names="$1"), STANDING.format(names=LISTED), DROP])
async def test_one_of_a_crowd_is_found_without_a_look_at_the_others(store: Store, statement: str) -> None:
    names = [opinion_id("said", f"browser:{number}") for number in range(LISTED_FROM)]
    given = {"names": names} if "$names" in statement else names[:1]
    await store.write(fill)
    [(_, plan)] = await store.read(lambda cursor: cursor.execute(f"explain analyze {statement}", given).fetchall())
    assert "Index Scan" in plan


def test_names_are_not_mistaken_for_one_another(cursor: Cursor) -> None:
    fill(cursor)
    assert find_standing(cursor, [("said", "browser:1"), ("saidbrowser:", "1"), ("sai", "dbrowser:1")]).keys() == {
        ("said", "browser:1")
    }


def test_where_a_voter_is_stays_known_when_the_vote_changes_elsewhere(cursor: Cursor) -> None:
    fill(cursor)
    keys = [("said", "browser:7"), ("said", "browser:8")]
    for addresses, wanted in (({}, ["home", None]), (dict.fromkeys(keys, "work"), ["work", "work"])):
        stored = find_standing(cursor, keys)
        changed = [opinion(voter, Vote.DOWN) for _, voter in keys]
        replace_standing(cursor, new=changed, stored=stored, former=[], addresses=addresses)
        after = find_standing(cursor, keys)
        assert [(after[key].feedback.vote, after[key].address) for key in keys] == [("down", said) for said in wanted]
    assert cursor.execute("select count(*) from feedback").fetchall() == [(CROWD,)]
