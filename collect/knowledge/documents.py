"""Read a folder of documents: each by its form's reader, and what cannot be read is named with the reason.

A file stands for itself: none can keep the others from being read, lead out of the folder or fill the memory. Does not
know what becomes of the texts.
"""

import os
import stat
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final, NamedTuple

from collect.knowledge.document import Document, Unreadable
from collect.knowledge.readers.markup import read_markdown, read_text
from collect.knowledge.readers.office import read_docx, read_pdf
from collect.knowledge.readers.tables import read_csv, read_xlsx

MAX_FILE_BYTES: Final = 20_000_000
MAX_FILES: Final = 20_000
MAX_TEXT_CHARS: Final = 10_000_000


class Stamp(NamedTuple):
    """A file that was changed or replaced has another one."""

    changed_ns: int
    size_bytes: int
    inode: int


@dataclass(frozen=True, slots=True)
class Fault:
    """A file that is not read."""

    file: str
    """Path in the folder."""
    reason: str


def _read_html(file: Path, raw: bytes) -> Document:
    from collect.knowledge.readers.html import read_html  # noqa: PLC0415  # a bot without HTML does not pay for it

    return read_html(file, raw)


READERS: Final[Mapping[str, Callable[[Path, bytes], Document]]] = MappingProxyType({
    ".md": read_markdown,
    ".markdown": read_markdown,
    ".txt": read_text,
    ".html": _read_html,
    ".htm": _read_html,
    ".pdf": read_pdf,
    ".docx": read_docx,
    ".csv": read_csv,
    ".xlsx": read_xlsx,
})  # fmt: skip


def look(folder: Path) -> Mapping[Path, Stamp]:
    """The files below `folder` as they look from outside, by path. Not those whose names begin with a dot or `~$`,
    which editors leave, nor what vanished meanwhile; links to folders are not followed."""
    return MappingProxyType(dict(sorted(_walk(folder))))


def _walk(folder: Path) -> Iterator[tuple[Path, Stamp]]:
    for where, below, names in os.walk(folder):
        below[:] = [name for name in below if not name.startswith(".")]
        for name in names:
            if name.startswith((".", "~$")):
                continue
            file = Path(where, name)
            try:
                seen = file.stat()
            except OSError:
                continue
            if stat.S_ISREG(seen.st_mode):
                yield file, Stamp(seen.st_mtime_ns, seen.st_size, seen.st_ino)


def read_document(file: Path, *, folder: Path) -> Document:
    """Raises Unreadable with the reason, whatever is wrong with the file."""
    reader = READERS.get(file.suffix.lower())
    if reader is None:
        raise Unreadable(f"is of a form that is not read ({', '.join(READERS)})")
    try:
        if not file.resolve().is_relative_to(folder.resolve()):
            raise Unreadable("is a link out of the folder")
        size_bytes = file.stat().st_size
        if size_bytes > MAX_FILE_BYTES:
            raise Unreadable(f"has {size_bytes // 1_000_000} MB, more than {MAX_FILE_BYTES // 1_000_000}; split it")
        found = reader(file, file.read_bytes())
    except OSError as error:
        raise Unreadable(f"cannot be opened ({error.strerror or error})") from error
    except Unreadable:
        raise
    # Readers of foreign forms raise whatever a damaged file makes them stumble over.
    except (Exception, RecursionError) as error:
        raise Unreadable(f"is damaged ({type(error).__name__}: {error})"[:300]) from error
    if sum(len(block.text) for block in found.blocks) > MAX_TEXT_CHARS:
        raise Unreadable(f"holds more than {MAX_TEXT_CHARS // 1_000_000} million letters; split it")
    if not found.blocks:
        raise Unreadable("holds no text (a scan has none)" if file.suffix.lower() == ".pdf" else "holds no text")
    return found
