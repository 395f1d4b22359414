"""Whose something is: a browser's, an API key's, or a person's behind an API key.

A person is named by a keyed hash, so that the record holds no name of theirs, and two installations none in common.
Does not know who may do what.
"""

import hashlib
import hmac
from typing import Final

KEY: Final = "key:"
PERSON: Final = "/user-"
"""Between a key's owner and the hash of a person behind it."""
DIGITS: Final = 16


def belonging(column: str, parameter: str) -> str:
    """SQL that is true where `column` names the owner that `$parameter` does or, where that is a key, a person's behind
    it."""
    return f"({column} = ${parameter} or starts_with({column}, ${parameter} || '{PERSON}'))"


def person_behind(owner: str, user: str, *, secret: str) -> str:
    """The owner of what a key's caller asks for `user`, by whatever the caller calls them; without one the key's."""
    if not user.strip():
        return owner
    digest = hmac.new(secret.encode(), f"{owner}\0{user.strip()}".encode(), hashlib.sha256).hexdigest()
    return f"{owner}{PERSON}{digest[:DIGITS]}"


def is_key(owner: str) -> bool:
    """Whether it is an API key's, behind which there may be any number of people."""
    return owner.startswith(KEY) and PERSON not in owner


def belongs_to(whose: str, owner: str) -> bool:
    """Whether it is the owner's or, where that is a key, a person's behind it."""
    return whose == owner or (owner.startswith(KEY) and whose.startswith(f"{owner}{PERSON}"))
