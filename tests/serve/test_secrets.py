import stat
from pathlib import Path

import pytest

from nightschool.errors import InvalidSettings
from nightschool.home import Home
from serve.secrets import new_password, open_secrets


def test_the_first_start_makes_a_password_and_later_ones_know_it(tmp_path: Path) -> None:
    home = Home(tmp_path)
    first = open_secrets(home)
    assert first.new_password is not None
    later = open_secrets(home)
    assert later.new_password is None
    assert later.secrets == first.secrets
    assert later.secrets.check_password(first.new_password)


def test_nothing_else_opens(tmp_path: Path) -> None:
    opened = open_secrets(Home(tmp_path))
    password = opened.new_password or ""
    for wrong in ("", password[:-1], password.upper(), f"{password} ", "\ud800", "\0", "x" * 10_000):
        assert not opened.secrets.check_password(wrong)


def test_only_the_owner_reads_the_file_and_the_password_is_not_in_it(tmp_path: Path) -> None:
    home = Home(tmp_path)
    opened = open_secrets(home)
    assert stat.S_IMODE(home.secrets.stat().st_mode) == 0o600
    assert (opened.new_password or "?") not in home.secrets.read_text()
    home.secrets.chmod(0o644)
    open_secrets(home)
    assert stat.S_IMODE(home.secrets.stat().st_mode) == 0o600


def test_no_secret_shows_when_it_is_printed(tmp_path: Path) -> None:
    secrets = open_secrets(Home(tmp_path)).secrets
    assert secrets.cookie_key not in repr(secrets)
    assert secrets.password_hash not in repr(secrets)


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"password_hash": "plain", "cookie_key": "k"}', '{"cookie_key": "k"}']
)
def test_a_damaged_file_says_how_to_mend_it(tmp_path: Path, content: str) -> None:
    home = Home(tmp_path)
    home.secrets.write_text(content)
    with pytest.raises(InvalidSettings, match="Delete it"):
        open_secrets(home)


def test_passwords_differ_and_are_easy_to_read_out() -> None:
    passwords = {new_password() for _ in range(100)}
    assert len(passwords) == 100
    assert all(len(p) == 19 and not set(p) & set("01lio") for p in passwords)
