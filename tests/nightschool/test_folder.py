"""The data folder is closed to others and one server's, whatever stood there before."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from nightschool.errors import Busy, InvalidSettings, NightschoolError, NotAllowed, Unavailable
from nightschool.folder import hold_folder
from nightschool.home import Home

NOBODY = 65_534


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "data")


@contextmanager
def as_nobody() -> Iterator[None]:
    """As a user without rights, where the tests run as one that may do everything."""
    is_root = os.geteuid() == 0
    if is_root:
        os.seteuid(NOBODY)
    yield
    if is_root:
        os.seteuid(0)


@pytest.fixture
def passage() -> Iterator[Path]:
    """A folder that everybody may enter, which `tmp_path` is not."""
    with TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def put(path: Path, text: str = "said") -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o755)
    path.write_text(text)
    path.chmod(0o644)


def refusal(home: Home) -> NightschoolError:
    with pytest.raises(NightschoolError) as caught, hold_folder(home):
        pass
    return caught.value


def test_a_folder_that_others_may_enter_is_closed_with_all_in_it(home: Home) -> None:
    dataset = home.root / "datasets" / "support" / "abc" / "train.jsonl"
    for path in (home.store, dataset, home.root / "record.duckdb.state", home.root / ".server.json.x7"):
        put(path)
    home.root.chmod(0o755)
    with hold_folder(home):
        pass
    assert [mode(path) for path in (home.root, dataset.parent, home.store, dataset)] == [0o700, 0o700, 0o600, 0o600]


def test_what_a_link_leads_to_stays_as_it_is(home: Home, tmp_path: Path) -> None:
    model = tmp_path / "shared" / "model.safetensors"
    put(model)
    put(home.store)
    (home.root / "models").mkdir()
    (home.root / "models" / "default").symlink_to(model.parent)
    (home.root / "models" / "one").symlink_to(model)
    home.root.chmod(0o755)
    with hold_folder(home):
        pass
    assert mode(model) == 0o644


def test_a_shared_folder_with_other_things_in_it_is_refused_untouched(home: Home) -> None:
    letter = home.root / "letters" / "mine.txt"
    put(letter)
    home.root.chmod(0o755)
    error = refusal(home)
    assert isinstance(error, NotAllowed)
    assert "holds what is not Nightschool's (letters)" in str(error)
    assert "chmod 700" in error.remedy
    assert (mode(home.root), mode(letter), [*home.root.iterdir()]) == (0o755, 0o644, [letter.parent])


def test_one_with_other_things_that_its_owner_closed_is_taken(home: Home) -> None:
    put(home.root / "notes.txt")
    home.root.chmod(0o700)
    with hold_folder(home):
        assert home.lock.exists()


def test_a_file_in_its_place_is_named(home: Home) -> None:
    home.root.write_text("")
    error = refusal(home)
    assert isinstance(error, InvalidSettings)
    assert str(error).startswith(f"{home.root}: is in the way (")


def test_a_file_above_it_is_wrong_input(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert isinstance(refusal(Home(tmp_path / "file" / "data")), InvalidSettings)


def test_a_link_that_leads_nowhere_is_named(home: Home, tmp_path: Path) -> None:
    home.root.symlink_to(tmp_path / "gone")
    assert "leads nowhere" in str(refusal(home))


def test_a_folder_where_the_lock_belongs_is_named(home: Home) -> None:
    home.lock.mkdir(parents=True)
    assert isinstance(error := refusal(home), NightschoolError)
    assert str(home.lock) in str(error)


def test_a_folder_that_cannot_be_written_is_not_allowed(passage: Path) -> None:
    passage.chmod(0o555)
    with as_nobody():
        error = refusal(Home(passage / "data"))
    assert isinstance(error, NotAllowed)
    assert "Permission denied" in str(error)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs two users")
def test_another_users_open_folder_is_refused(passage: Path) -> None:
    home = Home(passage / "data")
    home.create()
    home.root.chmod(0o755)
    with as_nobody():
        assert isinstance(refusal(home), NotAllowed)
    assert mode(home.root) == 0o755


def test_a_disk_that_cannot_take_it_is_unavailable(tmp_path: Path) -> None:
    error = refusal(Home(tmp_path / ("long" * 100)))
    assert isinstance(error, Unavailable)
    assert "File name too long" in str(error)


def test_a_second_server_is_told_so_by_whatever_name_it_comes(home: Home, tmp_path: Path) -> None:
    (tmp_path / "alias").symlink_to(home.root)
    with hold_folder(home):
        for other in (home, Home(tmp_path / "alias")):
            assert isinstance(error := refusal(other), Busy)
            assert "is in use by a running server" in str(error)
    with hold_folder(home):
        pass
