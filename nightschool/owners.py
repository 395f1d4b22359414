"""Whose something is: a browser's, an API key's, or a person's behind an API key.

A person is named by a keyed hash, so that the record holds no name of theirs, and two installations none in common.
Does not know who may do what.
"""

import hashlib
import hmac
import ipaddress
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


def address_behind(host: str, *, secret: str) -> str:
    """A keyed hash of the network address `host`, by which votes from one place are told from votes from several.

    Empty for what is no address of the internet: behind a proxy that is not trusted, or inside of a house, all share
    one, and it says nothing. Of IPv6 the first 64 bits count, of which a household has all the rest to choose from.
    """
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return ""
    if isinstance(address, ipaddress.IPv6Address):
        address = address.ipv4_mapped or address
    if not address.is_global:
        return ""
    length = 64 if address.version == 6 else 32
    network = ipaddress.ip_network((address, length), strict=False).network_address
    return hmac.new(secret.encode(), f"address\0{network}".encode(), hashlib.sha256).hexdigest()[:DIGITS]


def is_key(owner: str) -> bool:
    """Whether it is an API key's, behind which there may be any number of people."""
    return owner.startswith(KEY) and PERSON not in owner


def belongs_to(whose: str, owner: str) -> bool:
    """Whether it is the owner's or, where that is a key, a person's behind it."""
    return whose == owner or (owner.startswith(KEY) and whose.startswith(f"{owner}{PERSON}"))
