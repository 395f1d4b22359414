"""Atomic writes and manifest-last folders."""

from pathlib import Path

import pytest

from nightschool.errors import InvalidInput
from nightschool.files import MANIFEST, free_bytes, publish, read_manifest, verify, write_atomic


def test_a_write_replaces_the_whole_file_and_leaves_no_draft(tmp_path: Path) -> None:
    target = tmp_path / "state.json"
    write_atomic(target, "old and long")
    write_atomic(target, "new")
    assert target.read_text() == "new"
    assert target.stat().st_mode & 0o777 == 0o600
    assert [p.name for p in tmp_path.iterdir()] == ["state.json"]


def test_a_failed_write_leaves_the_old_content(tmp_path: Path) -> None:
    target = tmp_path / "state.json"
    write_atomic(target, "old")
    with pytest.raises(UnicodeEncodeError):
        write_atomic(target, "\ud800")
    assert target.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["state.json"]


def fill(folder: Path) -> Path:
    (folder / "inner").mkdir(parents=True)
    (folder / "a.txt").write_text("a")
    (folder / "inner" / "b.txt").write_text("b")
    return folder


def test_equal_content_has_an_equal_hash_wherever_it_lies(tmp_path: Path) -> None:
    first = publish(fill(tmp_path / "one"), kind="dataset")
    second = publish(fill(tmp_path / "two"), kind="dataset", about={"rows": 2})
    assert first.content_hash == second.content_hash
    assert [entry.name for entry in first.files] == ["a.txt", "inner/b.txt"]


def test_an_unfinished_folder_has_no_manifest(tmp_path: Path) -> None:
    folder = fill(tmp_path / "one")
    assert read_manifest(folder) is None
    with pytest.raises(InvalidInput, match="never finished"):
        verify(folder)


@pytest.mark.parametrize("change", ["changed", "added", "removed"])
def test_verify_notices_every_change(tmp_path: Path, change: str) -> None:
    folder = fill(tmp_path / "one")
    publish(folder, kind="dataset")
    assert verify(folder).kind == "dataset"
    match change:
        case "changed":
            (folder / "a.txt").write_text("x")
        case "added":
            (folder / "c.txt").write_text("c")
        case "removed":
            (folder / "a.txt").unlink()
    with pytest.raises(InvalidInput, match=r"differs from its manifest"):
        verify(folder)
    assert (folder / MANIFEST).exists()


def test_a_folder_that_is_gone_has_no_room(tmp_path: Path) -> None:
    assert free_bytes(tmp_path) > 0
    assert free_bytes(tmp_path / "gone") == 0
