import json
import os
import stat
from pathlib import Path

import pytest

from nightschool.errors import InvalidSettings, NotFound
from nightschool.home import Home
from serve.secrets import SecretsFile, new_password, open_secrets, set_password


def test_the_first_start_makes_a_password_and_later_ones_know_it(tmp_path: Path) -> None:
    home = Home(tmp_path)
    first = open_secrets(home)
    assert first.new_password is not None
    later = open_secrets(home)
    assert later.new_password is None
    assert later.secrets.cookie_key == first.secrets.cookie_key
    assert later.secrets.session_key() == first.secrets.session_key()
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
    assert secrets.session_key() not in repr(secrets)


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"password_hash": "plain", "cookie_key": "k"}', '{"cookie_key": "k"}']
)
def test_a_damaged_file_says_how_to_mend_it(tmp_path: Path, content: str) -> None:
    home = Home(tmp_path)
    home.secrets.write_text(content)
    with pytest.raises(InvalidSettings, match="Or delete it"):
        open_secrets(home)


def test_a_damaged_password_of_a_named_operator_is_damage_of_the_file_too(tmp_path: Path) -> None:
    home = Home(tmp_path)
    opened = open_secrets(home)
    held = json.loads(home.secrets.read_bytes())
    held["operators"] = [{"name": "Ada", "password_hash": "plain", "session_id": "s"}]
    home.secrets.write_text(json.dumps(held))
    assert not opened.secrets.check_password("any", name="Ada")
    with pytest.raises(InvalidSettings, match="Or delete it"):
        open_secrets(home)


def test_a_file_that_cannot_be_read_takes_nothing_from_who_is_in_and_stops_a_start_in_words(tmp_path: Path) -> None:
    home = Home(tmp_path)
    opened = open_secrets(home)
    home.secrets.unlink()
    home.secrets.mkdir()  # as little a file to be read as another user's, and root reads those
    assert opened.secrets.operators() == ("operator",)
    assert opened.secrets.check_password(opened.new_password or "")
    with pytest.raises(InvalidSettings, match=r"cannot be read .*\(chown\)"):
        open_secrets(home)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root acts for somebody else")
def test_what_root_changes_the_folders_user_can_still_read(tmp_path: Path) -> None:
    home = Home(tmp_path)
    open_secrets(home)
    os.chown(tmp_path, 65_534, 65_534)
    set_password(home)
    assert (home.secrets.stat().st_uid, home.secrets.stat().st_gid) == (65_534, 65_534)


def test_passwords_differ_and_are_easy_to_read_out() -> None:
    passwords = {new_password() for _ in range(100)}
    assert len(passwords) == 100
    assert all(len(p) == 19 and not set(p) & set("01lio") for p in passwords)


def test_a_new_password_counts_at_once_and_leaves_visitors_alone(tmp_path: Path) -> None:
    home = Home(tmp_path)
    opened = open_secrets(home)
    running = opened.secrets
    before = (running.cookie_key, running.session_key())
    made = set_password(home)
    assert running.check_password(made)
    assert not running.check_password(opened.new_password or "")
    assert running.cookie_key == before[0]
    assert running.session_key() != before[1]
    assert stat.S_IMODE(home.secrets.stat().st_mode) == 0o600


def test_a_password_is_not_set_where_none_is_or_the_file_is_damaged(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="nightschool up"):
        set_password(Home(tmp_path / "nowhere"))
    home = Home(tmp_path)
    opened = open_secrets(home)
    home.secrets.write_text("{")
    with pytest.raises(InvalidSettings):
        set_password(home)
    assert home.secrets.read_text() == "{"
    # Who runs already goes on, with what it knew.
    assert opened.secrets.check_password(opened.new_password or "")


def test_a_file_of_release_0_1_gets_a_session_key_of_its_own(tmp_path: Path) -> None:
    home = Home(tmp_path)
    password = open_secrets(home).new_password or ""
    old = SecretsFile.model_validate_json(home.secrets.read_bytes())
    home.secrets.write_text(old.model_dump_json(exclude={"session_key"}))
    found = open_secrets(home)
    assert found.new_password is None
    assert found.secrets.check_password(password)
    assert found.secrets.cookie_key == old.cookie_key
    assert found.secrets.session_key() not in {"", old.cookie_key}
    assert open_secrets(home).secrets.session_key() == found.secrets.session_key()
