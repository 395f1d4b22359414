"""The command line's key is one row, and no other key has anything to do with it."""

from datetime import timedelta

from collect.keys import CLI_NAME, create_key, find_key, list_keys, renew_cli_key, revoke_key
from collect.store import Cursor

from .conftest import AT


def test_the_command_line_has_one_key_however_often_the_server_starts(cursor: Cursor) -> None:
    old, *_, new = [renew_cli_key(cursor, at=AT + timedelta(days=day)) for day in range(5)]
    assert [(key.name, key.scope) for key in list_keys(cursor)] == [(CLI_NAME, "operator")]
    assert find_key(cursor, secret=old) is None
    found = find_key(cursor, secret=new)
    assert found is not None
    assert (found.created_at, found.revoked_at) == (AT + timedelta(days=4), None)


def test_a_start_leaves_everybody_else_s_key_alone(cursor: Cursor) -> None:
    names = [f"{CLI_NAME}-laptop", f"{CLI_NAME}s", f"{CLI_NAME}-2026", "shop"]
    secrets = [create_key(cursor, name=name, scope="operator", at=AT) for name in names]
    renew_cli_key(cursor, at=AT)
    found = [find_key(cursor, secret=secret) for secret in secrets]
    assert [(key.name, key.revoked_at) for key in found if key] == [(name, None) for name in names]


def test_a_revoked_one_opens_nothing_until_the_next_start(cursor: Cursor) -> None:
    renew_cli_key(cursor, at=AT)
    revoke_key(cursor, name=CLI_NAME, at=AT)
    found = find_key(cursor, secret=renew_cli_key(cursor, at=AT))
    assert found is not None
    assert found.revoked_at is None


def test_what_the_first_release_left_at_each_start_goes(cursor: Cursor) -> None:
    secret = create_key(cursor, name=f"{CLI_NAME}-20260301T120000123456", scope="operator", at=AT)
    renew_cli_key(cursor, at=AT)
    assert [key.name for key in list_keys(cursor)] == [CLI_NAME]
    assert find_key(cursor, secret=secret) is None
