"""Hold the data folder: made, closed to other users, and of one server at a time.

Everything people said lies in it, and hashes of keys. A folder that others may enter is closed to them where all in it
is ours; one that also holds other things is refused, since whoever uses those would lose them.
Does not know: what the server does with the folder, and what was read while it stood open.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from nightschool.errors import Busy, InvalidSettings, NotAllowed, Unavailable
from nightschool.home import Home

CLOSED: Final = 0o700
OTHERS: Final = 0o077
"""What group and everybody may do."""
ANOTHER: Final = "Set NIGHTSCHOOL_HOME to another folder."


@contextmanager
def hold_folder(home: Home) -> Iterator[None]:
    """The folder, ready and nobody else's, for the length of the block.

    Raises InvalidSettings where it is no folder, NotAllowed where it is another user's or shared, Busy where another
    server has it, Unavailable where the disk does not take it.
    """
    root = home.root
    try:
        if root.is_symlink() and not root.exists():
            raise InvalidSettings("is a link that leads nowhere", subject=str(root), remedy=ANOTHER)
        root.mkdir(parents=True, exist_ok=True, mode=CLOSED)
        _close_to_others(home)
        home.create()
        lock = home.lock.open("ab")
    except (FileExistsError, NotADirectoryError, IsADirectoryError) as error:
        raise InvalidSettings(
            f"is in the way ({error.strerror})", subject=str(error.filename), remedy=ANOTHER
        ) from error
    except PermissionError as error:
        raise NotAllowed(f"cannot be used ({error.strerror})", subject=str(error.filename), remedy=ANOTHER) from error
    except OSError as error:
        raise Unavailable(f"cannot be used ({error.strerror})", subject=str(root), remedy=ANOTHER) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Busy(
                "is in use by a running server",
                subject=str(root),
                remedy="Stop that one, or set NIGHTSCHOOL_HOME and NIGHTSCHOOL_PORT for a second installation.",
            ) from None
        yield


def _close_to_others(home: Home) -> None:
    """Also what lies in it, since a copy may be laid where others look. Left alone where it is closed already."""
    root = home.root
    if not _is_open(root):
        return
    foreign = sorted(path.name for path in root.iterdir() if not home.owns(path.name))
    if foreign:
        raise NotAllowed(
            f"is open to other users and holds what is not Nightschool's ({foreign[0]})",
            subject=str(root),
            remedy=f"{ANOTHER} Or close this one: chmod 700.",
        )
    root.chmod(CLOSED)
    if _is_open(root):
        raise NotAllowed("cannot be closed to other users: its disk keeps no modes", subject=str(root), remedy=ANOTHER)
    for folder, _, files in os.walk(root):
        for path in (Path(folder), *(Path(folder, name) for name in files)):
            # A link may lead to what was never ours to close, such as a model that is shared.
            if not path.is_symlink() and _is_open(path):
                path.chmod(path.stat().st_mode & ~OTHERS)


def _is_open(path: Path) -> bool:
    return bool(path.stat().st_mode & OTHERS)
