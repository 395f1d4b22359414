"""What only this installation knows: the hash of its operator password and the keys that sign its cookies.

Made at the first start and kept in the data folder, readable by its owner alone. The password itself is shown once and
kept nowhere; `set_password` makes a new one and leaves alone what visitors are known by. Does not know who asks for it
or how often they may (`serve.console.login`).
"""

import logging
import secrets
from pathlib import Path
from typing import Final, NamedTuple

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from pydantic import BaseModel, ConfigDict, ValidationError

from nightschool.errors import InvalidSettings, NotFound
from nightschool.files import write_atomic
from nightschool.home import Home

log = logging.getLogger(__name__)

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
    """Signs the cookies that visitors of the chat are known by; with a new one all lose their conversations."""
    session_key: str = ""
    """Signs the operator's session; a new one, as each new password brings, signs operators out. 0.1 had none."""


class Secrets:
    """The secrets as the file holds them now: a password that is set while the server runs counts at once."""

    def __init__(self, file: Path, found: SecretsFile) -> None:
        self._file = file
        self._found = found
        self._stamp = _stamp(file)

    @property
    def cookie_key(self) -> str:
        return self._found.cookie_key

    def session_key(self) -> str:
        self._look()
        return self._found.session_key

    def check_password(self, password: str) -> bool:
        """Whether this is the operator's password. Takes 20 ms and 19 MiB on purpose: call it in a thread."""
        self._look()
        try:
            return _hasher().verify(self._found.password_hash, password.encode(errors="surrogatepass"))
        except VerificationError:
            return False

    def _look(self) -> None:
        """Read the file anew where it changed; one that is gone or damaged takes nothing from who is in."""
        stamp = _stamp(self._file)
        if stamp in {None, self._stamp}:
            return
        self._stamp = stamp
        try:
            self._found = _read(self._file)
        except InvalidSettings as error:
            log.error("the password of before still counts: %s", error)


class OpenedSecrets(NamedTuple):
    secrets: Secrets
    new_password: str | None
    """Set where the installation is new; to be shown once."""


def open_secrets(home: Home) -> OpenedSecrets:
    """The installation's secrets, made where there are none. Raises InvalidSettings where the file is damaged."""
    if not home.secrets.exists():
        password = _make_password(home.secrets, cookie_key=_new_key())
        return OpenedSecrets(Secrets(home.secrets, _read(home.secrets)), password)
    # A copied or restored folder may have opened it to others.
    home.secrets.chmod(0o600)
    found = _read(home.secrets)
    if not found.session_key:
        found = found.model_copy(update={"session_key": _new_key()})
        _write(home.secrets, found)
    return OpenedSecrets(Secrets(home.secrets, found), None)


def set_password(home: Home) -> str:
    """A new password, which is kept nowhere; it signs operators out, and changes nothing for visitors.

    Raises NotFound where there is none yet, InvalidSettings where the file is damaged.
    """
    if not home.secrets.exists():
        remedy = "The first `nightschool up` makes one and prints it."
        raise NotFound("has no password yet", subject=str(home.root), remedy=remedy)
    return _make_password(home.secrets, cookie_key=_read(home.secrets).cookie_key)


def new_password() -> str:
    """Easy to read out and to type: `k7xp-m2vd-hq9w-c4ts`."""
    return "-".join("".join(secrets.choice(ALPHABET) for _ in range(GROUP_CHARS)) for _ in range(GROUPS))


def _make_password(file: Path, *, cookie_key: str) -> str:
    password = new_password()
    made = SecretsFile(password_hash=_hasher().hash(password), cookie_key=cookie_key, session_key=_new_key())
    _write(file, made)
    return password


def _read(file: Path) -> SecretsFile:
    try:
        found = SecretsFile.model_validate_json(file.read_bytes())
        _hasher().check_needs_rehash(found.password_hash)
    except (ValidationError, InvalidHashError) as error:
        # Without the library's words, which quote what stands in the file.
        raise InvalidSettings(
            "is damaged",
            subject=str(file),
            remedy="Restore it from a copy. Or delete it: the next start makes a new password, but visitors lose sight "
            "of their conversations.",
        ) from error
    return found


def _write(file: Path, content: SecretsFile) -> None:
    write_atomic(file, content.model_dump_json(indent=2) + "\n")


def _stamp(file: Path) -> tuple[int, int] | None:
    """Changes with the file; None where there is none."""
    try:
        found = file.stat()
    except FileNotFoundError:
        return None
    return found.st_mtime_ns, found.st_ino


def _new_key() -> str:
    return secrets.token_urlsafe(32)


def _hasher() -> PasswordHasher:
    # OWASP's second Argon2id setting; the library's default takes 64 MiB and 110 ms.
    return PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1)
