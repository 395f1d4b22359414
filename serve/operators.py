"""Operators by name, each with a password of their own: who did what is a person in the audit, and one can go alone.

Kept among the installation's secrets. Needs no server: one that runs sees it at the next request. Does not know who
signs in (`serve.console.login`).
"""

import secrets
from typing import Final

from nightschool.errors import Busy, InvalidInput, NotFound
from nightschool.home import Home
from nightschool.text import check_name
from serve.secrets import OPERATOR, Operator, SecretsFile, change_secrets, hash_password, new_password

OPERATOR_HEADER: Final = "x-nightschool-operator"
"""By which the command line tells the server who speaks; percent-encoded."""
USER_HEADER: Final = "x-nightschool-user"
"""The machine's user, who speaks where no operator is named."""
MAX_NAME_CHARS: Final = 60
RESERVED: Final = frozenset(":()")
"""Set a name apart in sessions and in the audit."""


def add_operator(home: Home, name: str) -> str:
    """The password, which is kept nowhere. Raises Busy where somebody is called so, InvalidInput for no fit name."""
    check_operator_name(name)
    password = new_password()

    def change(found: SecretsFile) -> SecretsFile:
        if name.casefold() == OPERATOR or found.find(name):
            raise Busy(
                "is an operator already", subject=repr(name), remedy="`nightschool password --name` renews theirs."
            )
        return found.model_copy(update={"operators": (*found.operators, _operator(name, password))})

    change_secrets(home, change, action="added an operator", subject=f"operator:{name}")
    return password


def renew_password(home: Home, name: str) -> str:
    """A new password for somebody who is there, whom it signs out. Raises NotFound."""
    password = new_password()

    def change(found: SecretsFile) -> SecretsFile:
        kept = _find(found, name)
        renewed = tuple(_operator(one.name, password) if one == kept else one for one in found.operators)
        return found.model_copy(update={"operators": renewed})

    change_secrets(home, change, action="made a password", subject=f"operator:{name}")
    return password


def remove_operator(home: Home, name: str) -> None:
    """From now on they are signed out, and their password opens nothing. Raises NotFound."""

    def change(found: SecretsFile) -> SecretsFile:
        gone = _find(found, name)
        return found.model_copy(update={"operators": tuple(one for one in found.operators if one != gone)})

    change_secrets(home, change, action="removed an operator", subject=f"operator:{name}")


def check_operator_name(name: str) -> None:
    """Raises InvalidInput."""
    if not name.strip() or len(name) > MAX_NAME_CHARS or RESERVED & set(name):
        raise InvalidInput(
            f"needs 1 to {MAX_NAME_CHARS} characters, none of `:()`",
            subject="operator's name",
            remedy="Choose another.",
        )
    check_name(name, subject="operator's name", param="name")


def _find(found: SecretsFile, name: str) -> Operator:
    kept = found.find(name)
    if kept is None:
        remedy = "`nightschool operators list` shows them."
        if name.casefold() == OPERATOR:
            remedy = "It stands for the installation: `nightschool password` renews its password."
        raise NotFound("is no operator with a name", subject=repr(name), remedy=remedy)
    return kept


def _operator(name: str, password: str) -> Operator:
    return Operator(name=name, password_hash=hash_password(password), session_id=secrets.token_urlsafe(16))
