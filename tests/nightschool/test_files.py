"""Atomic writes and manifest-last folders."""

import errno
import os
from pathlib import Path

import pytest

from nightschool.errors import InvalidInput
from nightschool.files import MANIFEST, copy_whole, free_bytes, publish, read_manifest, verify, write_atomic


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


def test_a_manifest_of_another_version_is_not_relied_on(tmp_path: Path) -> None:
    folder = fill(tmp_path / "one")
    publish(folder, kind="dataset")
    written = (folder / MANIFEST).read_text()
    assert '"schema_version": 1' in written
    (folder / MANIFEST).write_text(written.replace('"schema_version": 1', '"schema_version": 2'))
    with pytest.raises(InvalidInput, match="another version's"):
        verify(folder)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff", b'{"kind": "dataset", "shape": 2}'])
def test_a_manifest_that_makes_no_sense_is_named(tmp_path: Path, content: bytes) -> None:
    folder = fill(tmp_path / "one")
    (folder / MANIFEST).write_bytes(content)
    for read in (read_manifest, verify):
        with pytest.raises(InvalidInput, match=r"manifest\.json: is damaged, or another version's"):
            read(folder)


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


class Acts:
    """What reaches the disk and what gets its name, in order, by path below `root`."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.seen: list[str] = []
        sync, rename = os.fsync, os.rename

        def note_sync(handle: int) -> None:
            self.seen.append(self._name(Path(f"/proc/self/fd/{handle}").readlink(), root))
            sync(handle)

        def note_rename(source: Path, target: Path) -> None:
            self.seen.append(f"name {self._name(Path(target), root)}")
            rename(source, target)

        monkeypatch.setattr(os, "fsync", note_sync)
        monkeypatch.setattr(os, "rename", note_rename)

    def _name(self, path: Path, root: Path) -> str:
        """A draft is called by the name that it is to have."""
        parts = path.relative_to(root).parts if path.is_relative_to(root) else ("beyond",)
        return "/".join(part.removeprefix(".").split("-")[0] for part in parts)


def test_what_is_published_is_on_the_disk_with_every_folder_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = fill(tmp_path / "one")
    acts = Acts(tmp_path, monkeypatch)
    publish(folder, kind="dataset")
    written = next(n for n, name in enumerate(acts.seen) if "manifest" in name)
    assert {"one/a.txt", "one/inner", "one/inner/b.txt", "one"} == set(acts.seen[:written])


def test_a_copy_is_on_the_disk_before_it_has_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = fill(tmp_path / "one")
    published = publish(source, kind="adapter")
    acts = Acts(tmp_path, monkeypatch)
    target = tmp_path / "adapters" / "support" / "hash"
    for _ in range(2):
        copy_whole(source, target)
    named = acts.seen.index("name adapters/support/hash")
    below = ("", "/a.txt", "/inner", "/inner/b.txt", "/manifest.json")
    assert {f"adapters/support/hash{name}" for name in below} == set(acts.seen[:named])
    assert set(acts.seen[named + 1 :]) == {"adapters/support", "adapters"}
    assert verify(target) == published
    assert [path.name for path in target.parent.iterdir()] == ["hash"]


def test_a_copy_on_a_full_disk_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = fill(tmp_path / "one")
    publish(source, kind="adapter")

    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        copy_whole(source, tmp_path / "adapters" / "hash")
    assert list((tmp_path / "adapters").iterdir()) == []


def test_what_is_hidden_is_no_part_of_it(tmp_path: Path) -> None:
    folder = fill(tmp_path / "one")
    published = publish(folder, kind="evaluation")
    (folder / ".answers").mkdir()
    (folder / ".answers" / "one.jsonl").write_text("{}")
    (folder / ".hidden").write_text("x")
    assert verify(folder) == published
