"""Operators have names, and passwords of their own."""

from functools import partial
from pathlib import Path

import pytest

from nightschool.errors import Busy, InvalidInput, NotFound
from nightschool.home import Home
from serve.operators import MAX_NAME_CHARS, add_operator, remove_operator, renew_password
from serve.secrets import Secrets, open_secrets, set_password


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


@pytest.fixture
def running(home: Home) -> Secrets:
    """As a server holds them that was started before."""
    return open_secrets(home).secrets


def test_a_password_opens_for_its_own_name_alone(home: Home, running: Secrets) -> None:
    ada, eve = (add_operator(home, name) for name in ("Ada Lovelace", "éve"))
    assert running.operators() == ("operator", "Ada Lovelace", "éve")
    assert running.find_name("ADA lovelace") == "Ada Lovelace"
    assert running.check_password(ada, name="Ada Lovelace")
    for name in ("éve", "operator", "nobody", ""):
        assert not running.check_password(ada, name=name)
    assert running.check_password(eve, name="éve")
    assert ada not in home.secrets.read_text()


def test_who_is_removed_is_nobody_at_once(home: Home, running: Secrets) -> None:
    password = add_operator(home, "ada")
    assert running.session_id("ada")
    remove_operator(home, "Ada")
    assert running.session_id("ada") is None
    assert not running.check_password(password, name="ada")
    again = add_operator(home, "ada")
    assert not running.check_password(password, name="ada")
    assert running.check_password(again, name="ada")


def test_a_new_password_is_a_new_session_of_that_operator_alone(home: Home, running: Secrets) -> None:
    add_operator(home, "ada")
    add_operator(home, "eve")
    before = [running.session_id(name) for name in ("ada", "eve")]
    made = renew_password(home, "ada")
    assert running.check_password(made, name="ada")
    assert running.session_id("ada") != before[0]
    assert running.session_id("eve") == before[1]
    key = running.session_key()
    set_password(home)
    assert running.operators() == ("operator", "ada", "eve")
    assert running.session_key() != key


@pytest.mark.parametrize("name", ["", " ", " ada", "a:b", "ada (console)", "a\nb", "a\0", "x" * (MAX_NAME_CHARS + 1)])
def test_what_is_no_name_is_refused(home: Home, running: Secrets, name: str) -> None:
    with pytest.raises(InvalidInput):
        add_operator(home, name)
    assert running.operators() == ("operator",)


def test_names_are_taken_once_and_found_or_not(home: Home, running: Secrets) -> None:
    add_operator(home, "ada")
    for taken in ("ada", "ADA", "operator", "Operator"):
        with pytest.raises(Busy, match="already"):
            add_operator(home, taken)
    for missing in (partial(remove_operator, home, "bob"), partial(renew_password, home, "bob")):
        with pytest.raises(NotFound, match="operators list"):
            missing()
    with pytest.raises(NotFound, match="nightschool password"):
        remove_operator(home, "operator")
    assert running.operators() == ("operator", "ada")
    with pytest.raises(NotFound, match="nightschool up"):
        add_operator(Home(home.root / "nowhere"), "ada")
