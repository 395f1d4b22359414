"""What only this installation knows: the hashes of its operators' passwords and the keys that sign its cookies.

Made at the first start and kept in the data folder, readable by its owner alone. The first password is of the operator
called `operator`; `serve.operators` gives others names and passwords of their own. A password itself is shown once and
kept nowhere. Who made one stands in the same file, in the same write, until a server has put it into the audit
(`serve.audited`). Does not know who tries a password, or how often they may (`serve.console.login`).
"""

import fcntl
import logging
import os
import pwd
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Final, Literal, NamedTuple

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from pydantic import BaseModel, ConfigDict, ValidationError

from nightschool.errors import InvalidSettings, NotFound, Unavailable
from nightschool.files import write_atomic
from nightschool.home import Home
from nightschool.records import new_id, utc_now

log = logging.getLogger(__name__)

ALPHABET: Final = "abcdefghjkmnpqrstuvwxyz23456789"
"""Without letters and digits that look alike."""
GROUPS: Final = 4
GROUP_CHARS: Final = 4
"""16 of 31 characters: 79 bits."""
MAX_CHANGES: Final = 100
"""So many stay in the file; a server that runs has put them into the audit within seconds."""


OPERATOR: Final = "operator"
"""Whose password the first start makes."""


class PasswordChange(BaseModel):
    """Somebody made a password for the console, or let somebody in or out."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    change_id: str
    at: datetime
    by: str
    action: str = "made a password"
    subject: str = "console"


class Operator(BaseModel):
    """Somebody with a password of their own."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    name: str
    password_hash: str
    """Argon2id."""
    session_id: str
    """In each of their sessions; a new one, as each new password brings, signs them out."""


class SecretsFile(BaseModel):
    """`secrets.json`."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    schema_version: Literal[1] = 1
    password_hash: str
    """Argon2id."""
    cookie_key: str
    """Signs the cookies that visitors of the chat are known by; with a new one all lose their conversations."""
    session_key: str = ""
    """Signs the operator's session; a new one, as each new password brings, signs operators out. 0.1 had none."""
    changes: tuple[PasswordChange, ...] = ()
    """Who made the passwords and when, for the audit; oldest first."""
    operators: tuple[Operator, ...] = ()
    """Beside the one called `operator`."""

    def find(self, name: str) -> Operator | None:
        """By its name in whatever case."""
        return next((one for one in self.operators if one.name.casefold() == name.casefold()), None)


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

    def changes(self) -> tuple[PasswordChange, ...]:
        """Who made passwords, oldest first."""
        self._look()
        return self._found.changes

    def operators(self) -> tuple[str, ...]:
        """Who may sign in, by name."""
        self._look()
        return (OPERATOR, *(one.name for one in self._found.operators))

    def find_name(self, name: str) -> str | None:
        """As the operator's name is written; None where nobody is called so."""
        return next((one for one in self.operators() if one.casefold() == name.casefold()), None)

    def session_id(self, name: str) -> str | None:
        """What a session of this operator must hold; None where nobody is called so any more."""
        self._look()
        if name == OPERATOR:
            return ""
        found = self._found.find(name)
        return found.session_id if found else None

    def check_password(self, password: str, *, name: str = OPERATOR) -> bool:
        """Whether this is that operator's password. Takes 20 ms and 19 MiB on purpose: call it in a thread."""
        self._look()
        found = None if name == OPERATOR else self._found.find(name)
        # Of a name that nobody has as long as of another: who asks does not learn the names.
        hashed = found.password_hash if found else self._found.password_hash
        try:
            is_right = _hasher().verify(hashed, password.encode(errors="surrogatepass"))
        except VerificationError:
            return False
        return is_right and (found is not None or name == OPERATOR)

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
    """The installation's secrets, made where there are none. Raises InvalidSettings where the file is damaged or
    somebody else's."""
    if not home.secrets.exists():
        password = _make_password(home.secrets, cookie_key=_new_key(), changes=(_change("the first start"),))
        return OpenedSecrets(Secrets(home.secrets, _read(home.secrets)), password)
    found = _read(home.secrets)
    # A copied or restored folder may have opened it to others.
    home.secrets.chmod(0o600)
    if not found.session_key:
        found = found.model_copy(update={"session_key": _new_key()})
        _write(home.secrets, found)
    return OpenedSecrets(Secrets(home.secrets, found), None)


def known_operators(home: Home) -> tuple[str, ...]:
    """Who may sign in. Raises NotFound where there is no installation, InvalidSettings where the file is damaged."""
    if not home.secrets.exists():
        raise NotFound("has no operators yet", subject=str(home.root), remedy="The first `nightschool up` makes one.")
    return Secrets(home.secrets, _read(home.secrets)).operators()


def set_password(home: Home) -> str:
    """A new password of `operator`, which is kept nowhere; it signs operators out, and changes nothing for visitors.

    Raises as `change_secrets` does; then the one before still counts.
    """
    password = new_password()

    def change(found: SecretsFile) -> SecretsFile:
        return found.model_copy(update={"password_hash": hash_password(password), "session_key": _new_key()})

    change_secrets(home, change, action="made a password", subject="console")
    return password


def change_secrets(home: Home, change: Callable[[SecretsFile], SecretsFile], *, action: str, subject: str) -> None:
    """Change the file, with the line for the audit, by whoever runs this command.

    Raises NotFound where there is none yet, InvalidSettings where the file is damaged, Unavailable where it cannot be
    written, and what `change` raises.
    """
    if not home.secrets.exists():
        remedy = "The first `nightschool up` makes one and prints it."
        raise NotFound("has no password yet", subject=str(home.root), remedy=remedy)
    try:
        with _alone(home.root):
            before = _read(home.secrets)
            noted = _change(f"{system_user()} (command line)", action=action, subject=subject)
            changes = (*before.changes, noted)[-MAX_CHANGES:]
            _write(home.secrets, change(before).model_copy(update={"changes": changes}))
    except OSError as error:
        raise Unavailable(
            f"cannot be written ({error.strerror})", subject=str(home.secrets), remedy="Check the disk and its rights."
        ) from error


def new_password() -> str:
    """Easy to read out and to type: `k7xp-m2vd-hq9w-c4ts`."""
    return "-".join("".join(secrets.choice(ALPHABET) for _ in range(GROUP_CHARS)) for _ in range(GROUPS))


def _make_password(file: Path, *, cookie_key: str, changes: tuple[PasswordChange, ...]) -> str:
    password = new_password()
    hashed = hash_password(password)
    _write(file, SecretsFile(password_hash=hashed, cookie_key=cookie_key, session_key=_new_key(), changes=changes))
    return password


def hash_password(password: str) -> str:
    return _hasher().hash(password)


def _change(by: str, **told: str) -> PasswordChange:
    return PasswordChange(change_id=new_id(), at=utc_now(), by=by, **told)


def system_user() -> str:
    """Whoever runs this command, by the system's own word and not by the environment's."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"user {os.getuid()}"


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Of two who change the secrets at once the second waits: it would undo what the first did."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _read(file: Path) -> SecretsFile:
    try:
        found = SecretsFile.model_validate_json(file.read_bytes())
        for hashed in (found.password_hash, *(one.password_hash for one in found.operators)):
            _hasher().check_needs_rehash(hashed)
    except OSError as error:
        raise InvalidSettings(
            f"cannot be read ({error.strerror})",
            subject=str(file),
            remedy="Give it to the user who runs the server (chown), to be read by nobody else (chmod 600).",
        ) from error
    except (ValidationError, InvalidHashError) as error:
        # Without the library's words, which quote what stands in the file.
        raise InvalidSettings(
            "is damaged, or another version's",
            subject=str(file),
            remedy="Restore it from a copy. Or delete it: the next start makes a new password, but visitors lose sight "
            "of their conversations.",
        ) from error
    return found


def _write(file: Path, content: SecretsFile) -> None:
    write_atomic(file, content.model_dump_json(indent=2) + "\n")
    if os.geteuid() == 0:
        # What root changes, the folder's user must still read.
        owner = file.parent.stat()
        os.chown(file, owner.st_uid, owner.st_gid)


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
