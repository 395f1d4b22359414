"""An index of passages: a content-hashed folder with its manifest last, and the same in memory.

`passages.parquet` holds the passages in their order, `vectors.npy` what they mean, `words/` the table of BM25. Equal
passages make an equal hash. Does not know documents, nor which index is a bot's current one.
"""

import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from collect.knowledge.words import split_words, stemmer_for
from nightschool.errors import InvalidInput
from nightschool.files import publish, put_in_place, verify
from nightschool.knowledge import Passage

if TYPE_CHECKING:
    from bm25s import BM25

KIND: Final = "knowledge"
SCHEMA: Final = pa.schema([(name, pa.string()) for name in ("passage_id", "document", "heading", "text")])
Vectors = NDArray[np.float32]
Embed = Callable[[Sequence[str]], NDArray[np.float64]]
"""(n, d) vectors of length 1, or of zeros, for n texts."""


@dataclass(frozen=True, slots=True)
class Index:
    content_hash: str
    passages: tuple[Passage, ...]
    vectors: Vectors
    """(n, d), of length 1 or zeros."""
    words: "BM25 | None"
    """None where no passage holds a word."""
    stemmer: str


def write_index(passages: Sequence[Passage], root: Path, *, embed: Embed) -> Path:
    """The folder of these passages below `root`, named by its content hash; made where it is not there yet."""
    root.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(dir=root, prefix=".draft-"))
    try:
        table = pa.Table.from_pylist([dict(zip(SCHEMA.names, astuple(p), strict=True)) for p in passages], SCHEMA)
        pq.write_table(table, draft / "passages.parquet")
        texts = [whole_text(passage) for passage in passages]
        np.save(draft / "vectors.npy", embed(texts).astype(np.float32))
        stemmer = stemmer_for(texts)
        words = [split_words(text, stemmer=stemmer) for text in texts]
        if any(words):
            from bm25s import BM25  # noqa: PLC0415  # brings numba, which a bot without documents does not pay for

            table_of_words = BM25()
            table_of_words.index(words, create_empty_token=False, show_progress=False)
            table_of_words.save(draft / "words", show_progress=False)
        manifest = publish(draft, kind=KIND, about={"passages": len(passages), "stemmer": stemmer})
        target = index_folder(root, manifest.content_hash)
        if not _is_whole(target):
            shutil.rmtree(target, ignore_errors=True)
            put_in_place(draft, target)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return target


def read_index(folder: Path) -> Index:
    """Raises InvalidInput where the folder is not whole, or none of ours."""
    manifest = verify(folder)
    if manifest.kind != KIND:
        raise InvalidInput(f"is a {manifest.kind}", subject=str(folder), remedy="Name the folder of an index.")
    words = None
    if (folder / "words").exists():
        from bm25s import BM25  # noqa: PLC0415

        words = BM25.load(folder / "words")
    rows = pq.read_table(folder / "passages.parquet", schema=SCHEMA).to_pylist()
    return Index(
        manifest.content_hash,
        tuple(Passage(**row) for row in rows),
        np.load(folder / "vectors.npy"),
        words,
        str(manifest.about["stemmer"]),
    )


def _is_whole(folder: Path) -> bool:
    try:
        verify(folder)
    except InvalidInput:
        return False
    return True


def index_folder(root: Path, content_hash: str) -> Path:
    """Where the index of that hash lies below a bot's `root`."""
    return root / content_hash[:16]


def whole_text(passage: Passage) -> str:
    """What a passage is found by: its text, and what it stands under."""
    return f"{passage.document}\n{passage.heading}\n{passage.text}"
