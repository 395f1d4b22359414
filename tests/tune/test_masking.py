"""A dataset holds placeholders where people named themselves, and says how many."""

from pathlib import Path

from nightschool.files import read_manifest
from nightschool.pii.finder import Finder
from tune.dataset import build_dataset
from tune.masking import KEPT, FoundShelf, Privacy

from ..tables import read_table
from .conftest import SnapshotBuilder

MAIL = "anna@mailbox.example"
CARD = "4539 1488 0343 6467"
SHOP = "help@shop.example"
PATTERNS = Privacy(names=False)


def fill(record: SnapshotBuilder) -> None:
    record.talk("c0", f"I am {MAIL}, was my card {CARD} charged?", f"Yes, {MAIL}; write to {SHOP}.")
    for number in range(1, 30):
        record.talk(f"c{number}", f"How do I pot fern number {number}?", f"Gently, {'and ' * number}ask {SHOP}.")


def build(snapshot: Path, target: Path, privacy: Privacy | None) -> Path:
    summary = build_dataset(
        snapshot, target, system_prompt="You are Fern.", held_out_share=0.2, seed=7, privacy=privacy
    )
    return target / summary.folder_name


def said(folder: Path) -> str:
    return "\n".join(str(read_table(file)) for file in sorted(folder.glob("*.parquet")))


def test_people_s_contacts_become_placeholders_and_the_company_s_stay(record: SnapshotBuilder, tmp_path: Path) -> None:
    fill(record)
    snapshot = record.write()
    before, after = (said(build(snapshot, tmp_path / f"{mask}", mask)) for mask in (None, PATTERNS))
    assert MAIL in before
    assert CARD in before
    assert MAIL not in after
    assert CARD not in after
    assert "I am [EMAIL_1], was my card [CARD_1] charged?" in after
    assert f"Yes, [EMAIL_1]; write to {SHOP}." in after


def test_the_card_and_the_manifest_say_what_was_replaced_and_by_whom(record: SnapshotBuilder, tmp_path: Path) -> None:
    fill(record)
    folder = build(record.write(), tmp_path / "sets", PATTERNS)
    manifest = read_manifest(folder)
    assert manifest is not None
    assert (manifest.about["masked.EMAIL"], manifest.about["masked.CARD"]) == (2, 1)
    assert "replaced by placeholders: 1 CARD, 2 EMAIL. Looked for by: patterns." in (folder / "card.md").read_text()


def test_the_rows_are_the_same_ones_masked_or_not(record: SnapshotBuilder, tmp_path: Path) -> None:
    fill(record)
    snapshot = record.write()
    plain, masked = (build(snapshot, tmp_path / f"{mask}", mask) for mask in (None, PATTERNS))
    ids = [[row["item_id"] for row in read_table(folder / "items.parquet")] for folder in (plain, masked)]
    assert ids[0] == ids[1]


class CountingFinder(Finder):
    def __init__(self) -> None:
        super().__init__()
        self.looked_at: list[str] = []

    def find(self, texts):  # type: ignore[no-untyped-def]
        self.looked_at += texts
        return super().find(texts)


def test_a_text_is_looked_at_once_and_what_is_kept_holds_no_words(tmp_path: Path) -> None:
    for look, fresh in ((["one", MAIL], ["one", MAIL]), (["one", MAIL, "two"], ["two"]), (["two"], [])):
        finder = CountingFinder()
        found = FoundShelf(finder, tmp_path).find(look)
        assert finder.looked_at == fresh
        assert set(found) == set(look)
    assert MAIL not in (tmp_path / KEPT).read_text()
    (tmp_path / KEPT).write_text("{")
    assert FoundShelf(CountingFinder(), tmp_path).find([MAIL])[MAIL]
