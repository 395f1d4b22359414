"""An index of passages: a content-hashed folder with its manifest last, and the same in memory.

`passages.parquet` holds the passages in their order, `vectors.npy` what they mean, `words/` the table of BM25. Equal
passages make an equal hash. Does not know documents, nor which index is a bot's current one.
"""

import hashlib
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
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


def make_index(passages: Sequence[Passage], *, embed: Embed, before: Index | None = None) -> Index:
    """In memory alone. What stood in the one `before` is not read by its meaning again."""
    texts = [whole_text(passage) for passage in passages]
    stemmer = stemmer_for(texts)
    words = [split_words(text, stemmer=stemmer) for text in texts]
    table = None
    if any(words):
        from bm25s import BM25  # noqa: PLC0415  # brings numba, which a bot without documents does not pay for

        table = BM25()
        table.index(words, create_empty_token=False, show_progress=False)
    names = [passage.passage_id for passage in passages]
    known = dict(zip((p.passage_id for p in before.passages), before.vectors, strict=True)) if before else {}
    new = [place for place, name in enumerate(names) if name not in known]
    if new:
        fresh = embed([texts[place] for place in new]).astype(np.float32)
        known |= dict(zip((names[place] for place in new), fresh, strict=True))
    vectors = np.array([known[name] for name in names], np.float32)
    content_hash = hashlib.sha256("\0".join(names).encode()).hexdigest()
    return Index(content_hash, tuple(passages), vectors, table, stemmer)


def write_index(passages: Sequence[Passage], root: Path, *, embed: Embed) -> Path:
    """The folder of these passages below `root`, named by its content hash; made where it is not there yet."""
    root.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(dir=root, prefix=".draft-"))
    try:
        rows = [{name: getattr(passage, name) for name in SCHEMA.names} for passage in passages]
        pq.write_table(pa.Table.from_pylist(rows, SCHEMA), draft / "passages.parquet")
        index = make_index(passages, embed=embed)
        np.save(draft / "vectors.npy", index.vectors)
        if index.words is not None:
            index.words.save(draft / "words", show_progress=False)
        manifest = publish(draft, kind=KIND, about={"passages": len(passages), "stemmer": index.stemmer})
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
