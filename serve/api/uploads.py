"""Read a form with one file (multipart/form-data) as it comes: the file goes to disk, so its size costs no memory.

Does not know what the file is.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO, Final

from fastapi import Request
from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartParser, parse_options_header

from nightschool.errors import InvalidInput
from serve.api.faults import BadParameter, BodyTooLarge
from serve.api.receiving import Room, announced_bytes

FRAME_BYTES: Final = 64_000
"""What boundaries, headers and fields of a form may take beside its file."""
REMEDY: Final = "Send multipart/form-data with `file` and `purpose`, as OpenAI's clients do."


@dataclass(frozen=True, slots=True)
class Upload:
    file: Path
    filename: str
    fields: Mapping[str, str]


@dataclass(slots=True)
class _Form:
    """What the parser tells, piece by piece."""

    draft: IO[bytes]
    filename: str | None = None
    fields: dict[str, bytearray] = field(default_factory=dict)
    _header: bytearray = field(default_factory=bytearray)
    _value: bytearray = field(default_factory=bytearray)
    _name: str | None = None
    _is_file: bool = False

    def on_part_begin(self) -> None:
        self._name, self._is_file = None, False

    def on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def on_header_end(self) -> None:
        if self._header.lower() == b"content-disposition":
            _, options = parse_options_header(bytes(self._value))
            self._name = options.get(b"name", b"").decode(errors="replace")
            self._is_file = b"filename" in options and self._name == "file"
            if self._is_file:
                if self.filename is not None:
                    raise _bad("holds two files", param="file")
                self.filename = options[b"filename"].decode(errors="replace")
        self._header, self._value = bytearray(), bytearray()

    def on_headers_finished(self) -> None:
        if not self._name:
            raise _bad("holds a part without a name", param=None)

    def on_part_data(self, data: bytes, start: int, end: int) -> None:
        if self._is_file:
            self.draft.write(data[start:end])
            return
        value = self.fields.setdefault(self._name or "", bytearray())
        value += data[start:end]
        if len(value) > FRAME_BYTES:
            raise _bad("is too long for a field", param=(self._name or "")[:80])


async def receive_upload(request: Request, *, room: Room, max_bytes: int) -> Upload:
    """The form of a request; its file lies in the room's folder, and is the caller's to remove.

    Raises BodyTooLarge, Unavailable where the disk is too full, and BadParameter where it is no form, or lacks its
    file.
    """
    kind, options = parse_options_header(request.headers.get("content-type", ""))
    boundary = options.get(b"boundary")
    if kind != b"multipart/form-data" or not boundary:
        raise _bad("is no form", param=None)
    announced = announced_bytes(request)
    if announced > max_bytes + FRAME_BYTES:
        raise _too_large(max_bytes)
    # Of one that is not announced no more than that comes.
    room.check(received=0, announced=announced or max_bytes)
    with _kept_if_whole(room.folder) as draft:
        form = await _parse(request, draft, boundary, max_bytes=max_bytes)
        if form.filename is None:
            raise _bad("is missing", param="file", code="missing_required_parameter")
        fields = {name: _decode(name, value) for name, value in form.fields.items()}
    return Upload(Path(draft.name), form.filename, fields)


@contextmanager
def _kept_if_whole(folder: Path) -> Iterator[IO[bytes]]:
    """A new file in `folder`, which is gone again where the block raises."""
    with NamedTemporaryFile(dir=folder, prefix="upload-", delete=False) as draft:
        try:
            yield draft
        except BaseException:
            Path(draft.name).unlink(missing_ok=True)
            raise


async def _parse(request: Request, draft: IO[bytes], boundary: bytes, *, max_bytes: int) -> _Form:
    form = _Form(draft)
    parser = MultipartParser(
        boundary,
        {
            "on_part_begin": form.on_part_begin,
            "on_header_field": form.on_header_field,
            "on_header_value": form.on_header_value,
            "on_header_end": form.on_header_end,
            "on_headers_finished": form.on_headers_finished,
            "on_part_data": form.on_part_data,
        },
    )
    size = 0
    try:
        async for piece in request.stream():
            size += len(piece)
            if size > max_bytes + FRAME_BYTES:
                raise _too_large(max_bytes)
            parser.write(piece)
        parser.finalize()
    except MultipartParseError as error:
        raise _bad(f"is no whole form ({error})", param=None) from error
    return form


def _decode(name: str, value: bytearray) -> str:
    with suppress(UnicodeDecodeError):
        return value.decode()
    raise _bad("is not UTF-8", param=name[:80])


def _bad(problem: str, *, param: str | None, code: str = "invalid_value") -> InvalidInput:
    return BadParameter(problem, param=param, openai_code=code, remedy=REMEDY)


def _too_large(max_bytes: int) -> BodyTooLarge:
    return BodyTooLarge(
        f"is larger than {max_bytes} bytes",
        subject="file",
        remedy="Send less, or raise fine_tuning.max_file_bytes.",
        param="file",
    )
