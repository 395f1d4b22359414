"""What only this installation knows: the hash of its operator password and the key that signs its cookies.

Made at the first start and kept in the data folder, readable by its owner alone. The password itself is shown once and
kept nowhere. Does not know who asks for it or how often they may (`serve.console.login`).
"""

import secrets
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from pydantic import BaseModel, ConfigDict, ValidationError

from nightschool.errors import InvalidSettings
from nightschool.files import write_atomic
from nightschool.home import Home

ALPHABET: Final = "abcdefghjkmnpqrstuvwxyz23456789"
"""Without letters and digits that look alike."""
GROUPS: Final = 4
GROUP_CHARS: Final = 4
"""16 of 31 characters: 79 bits."""


class SecretsFile(BaseModel):
    """`secrets.json`."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    schema_version: int = 1
    password_hash: str
    """Argon2id."""
    cookie_key: str
    """Signs the cookies of chat and console; a new one signs everybody out."""


@dataclass(frozen=True, slots=True)
class Secrets:
    cookie_key: str = field(repr=False)
    password_hash: str = field(repr=False)

    def check_password(self, password: str) -> bool:
        """Whether this is the operator's password. Takes 20 ms and 19 MiB on purpose: call it in a thread."""
        try:
            return _hasher().verify(self.password_hash, password.encode(errors="surrogatepass"))
        except VerificationError:
            return False


class OpenedSecrets(NamedTuple):
    secrets: Secrets
    new_password: str | None
    """Set where the installation is new; to be shown once."""


def open_secrets(home: Home) -> OpenedSecrets:
    """The installation's secrets, made where there are none. Raises InvalidSettings where the file is damaged."""
    if not home.secrets.exists():
        password = new_password()
        made = SecretsFile(password_hash=_hasher().hash(password), cookie_key=secrets.token_urlsafe(32))
        write_atomic(home.secrets, made.model_dump_json(indent=2) + "\n", mode=0o600)
        return OpenedSecrets(Secrets(made.cookie_key, made.password_hash), password)
    # A copied or restored folder may have opened it to others.
    home.secrets.chmod(0o600)
    try:
        found = SecretsFile.model_validate_json(home.secrets.read_bytes())
        _hasher().check_needs_rehash(found.password_hash)
    except (ValidationError, InvalidHashError) as error:
        # Without the library's words, which quote what stands in the file.
        raise InvalidSettings(
            "is damaged", subject=str(home.secrets), remedy="Delete it: the next start makes a new password."
        ) from error
    return OpenedSecrets(Secrets(found.cookie_key, found.password_hash), None)


def new_password() -> str:
    """Easy to read out and to type: `k7xp-m2vd-hq9w-c4ts`."""
    return "-".join("".join(secrets.choice(ALPHABET) for _ in range(GROUP_CHARS)) for _ in range(GROUPS))


def _hasher() -> PasswordHasher:
    # OWASP's second Argon2id setting; the library's default takes 64 MiB and 110 ms.
    return PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)
