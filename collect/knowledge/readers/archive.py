"""Look at a zipped document before it is unpacked: a small file may hold terabytes."""

import io
import zipfile
from typing import Final

from collect.knowledge.document import Unreadable

MAX_UNPACKED_BYTES: Final = 200_000_000
MAX_FACTOR: Final = 200
"""Text shrinks by about 20."""
SMALL_BYTES: Final = 10_000_000
"""Below this no factor matters."""


def check_archive(raw: bytes) -> None:
    """Raises Unreadable where it is no archive, or unpacks to more than a document does."""
    try:
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            # What an entry claims bounds what is read of it.
            unpacked_bytes = sum(entry.file_size for entry in archive.infolist())
    except (zipfile.BadZipFile, ValueError, OSError) as error:
        raise Unreadable("is damaged, or no Office document (an encrypted one is none either)") from error
    if unpacked_bytes > MAX_UNPACKED_BYTES or unpacked_bytes > max(SMALL_BYTES, MAX_FACTOR * len(raw)):
        raise Unreadable(f"unpacks to {unpacked_bytes // 1_000_000} MB")
