from pathlib import Path

import pyarrow as pa
import pytest
from pydantic import BaseModel

from nightschool.errors import InvalidInput
from nightschool.tables import ROWS_AT_ONCE, read_rows, write_rows

SCHEMA = pa.schema([("name", pa.string()), ("age", pa.int64()), ("tags", pa.list_(pa.string()))])


class Cat(BaseModel):
    name: str
    age: int = 1


def test_what_is_written_is_read_back_in_order_and_a_null_is_an_absent_field(tmp_path: Path) -> None:
    rows = [{"name": f"cat {n}", "age": n if n % 2 else None} for n in range(ROWS_AT_ONCE + 5)]
    write_rows(tmp_path / "cats.parquet", rows, schema=SCHEMA)
    read = list(read_rows(tmp_path / "cats.parquet", Cat, row="a cat"))
    assert [cat.name for cat in read] == [row["name"] for row in rows]
    assert [cat.age for cat in read[:4]] == [1, 1, 1, 3]


def test_equal_rows_are_equal_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        write_rows(tmp_path / name, ({"name": str(n), "tags": ["ü", ""]} for n in range(9)), schema=SCHEMA)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_no_rows_are_a_file_without_rows(tmp_path: Path) -> None:
    write_rows(tmp_path / "none", [], schema=SCHEMA)
    assert list(read_rows(tmp_path / "none", Cat, row="a cat")) == []


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda file: file.unlink(), "cats.parquet: is missing"),
        (lambda file: file.rename(file.with_suffix(".jsonl")), "the folder holds JSON lines, as version 0.1 wrote"),
        (lambda file: file.write_bytes(b"PAR1 and nothing else"), "cannot be read as Parquet"),
        (lambda file: file.write_bytes(b""), "cannot be read as Parquet"),
        (lambda file: write_rows(file, [{"name": "a"}, {"age": 3}], schema=SCHEMA), r"row 2: is not a cat \(name: "),
    ],
)
def test_what_cannot_be_read_is_told_with_the_row(tmp_path: Path, spoil: object, words: str) -> None:
    file = tmp_path / "cats.parquet"
    write_rows(file, [{"name": "a"}], schema=SCHEMA)
    assert callable(spoil)
    spoil(file)
    with pytest.raises(InvalidInput, match=words):
        list(read_rows(file, Cat, row="a cat"))
