"""What a question finds: by its words, by what it means, with its conversation, and nothing where nothing fits."""

import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from collect.knowledge.document import Block, Document
from collect.knowledge.index import Index, read_index, write_index
from collect.knowledge.passages import cut
from collect.knowledge.search import search
from nightschool.embedding import Embedder, load_embedder
from nightschool.errors import InvalidInput
from nightschool.knowledge import Found, Passage

PAGES = {
    "Returns": {
        "": "You can send a planter back within 30 days of delivery. The tank must be empty and clean.",
        "Refund time": "Money comes back within 5 business days to the payment method that you used.",
    },
    "Shipping": {
        "Standard": "Standard shipping costs 5 euro and takes 3 to 5 business days.",
        "Express": "Express costs 12 euro and takes 1 to 2 business days.",
    },
    "Plans": {"Grove": "Grove costs 4 euro a month and takes care of five planters.", "Trial": "Code LF-204518."},
    "Wi-Fi": {"": "The planter needs a network of 2.4 GHz with WPA2 or WPA3."},
    "Light": {"Red": "A red light means that the tank is empty. Fill it up with water."},
}


def passages() -> list[Passage]:
    return [
        passage
        for title, parts in PAGES.items()
        for passage in cut(Document(title, tuple(Block((name,) if name else (), text) for name, text in parts.items())))
    ]


@pytest.fixture(scope="module")
def embedder() -> Embedder:
    return load_embedder()


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory, embedder: Embedder) -> Index:
    return read_index(write_index(passages(), tmp_path_factory.mktemp("index"), embed=embedder.embed))


def ask(index: Index, embedder: Embedder, *said: str, min_score: float = 0.3) -> Found:
    return search(index, said, embed=embedder.embed, passages=4, min_score=min_score)


def places(found: Found) -> Sequence[str]:
    return [passage.place for passage in found.passages]


@pytest.mark.parametrize(
    ("question", "place"),
    [
        ("How much is express delivery?", "Shipping > Express"),
        ("when do I get my money back", "Returns > Refund time"),
        ("my planter is blinking red", "Light > Red"),
        ("WHAT IS LF-204518", "Plans > Trial"),
        ("does it work with a 5 GHz wifi router", "Wi-Fi"),
    ],
)
def test_the_passage_that_fits_comes_first(index: Index, embedder: Embedder, question: str, place: str) -> None:
    found = ask(index, embedder, question)
    assert places(found)[0] == place
    assert found.index_hash == index.content_hash


def test_a_question_that_leans_on_the_one_before_finds_what_it_means(index: Index, embedder: Embedder) -> None:
    found = ask(index, embedder, "How long does standard shipping take?", "and express?")
    assert places(found)[0] == "Shipping > Express"
    found = ask(index, embedder, "What does Grove cost?", "and how many can I have on it?")
    assert "Plans > Grove" in places(found)


@pytest.mark.parametrize(
    "question", ["", "   ", "the of and", "?!", "🌱", "\x00", "zzzz qqqq", "Tell me a joke about cats"]
)
def test_what_fits_nothing_finds_nothing(index: Index, embedder: Embedder, question: str) -> None:
    assert ask(index, embedder, question).passages == ()


def test_scores_say_how_near_a_passage_is(index: Index, embedder: Embedder) -> None:
    near, far = ask(index, embedder, "What does express shipping cost?"), ask(index, embedder, "fish", min_score=0)
    assert near.scores[0] > 0.8
    assert all(score < 0.3 for score in far.scores)
    assert len(near.passages) == len(near.scores) <= 4


def test_a_question_of_any_length_is_searched(index: Index, embedder: Embedder) -> None:
    assert places(ask(index, embedder, "What does express shipping cost? " * 1_000))[0] == "Shipping > Express"


def test_no_passages_no_findings(tmp_path: Path, embedder: Embedder) -> None:
    empty = read_index(write_index([], tmp_path, embed=embedder.embed))
    assert ask(empty, embedder, "Where?") == Found(index_hash=empty.content_hash)


def test_other_languages(tmp_path: Path, embedder: Embedder) -> None:
    pages = {
        "退货": "退货必须在三十天内完成。水箱必须是空的。",
        "配送": "标准配送费用为五欧元。需要三到五个工作日。",
        "保修": "保修期为两年。不包括电池。",
    }
    found = [passage for title, text in pages.items() for passage in cut(Document(title, (Block((), text),)))]
    index = read_index(write_index(found, tmp_path, embed=embedder.embed))
    assert ask(index, embedder, "配送费用是多少").passages[0].document == "配送"


def test_equal_passages_make_an_equal_index(tmp_path: Path, embedder: Embedder) -> None:
    folders = {write_index(passages(), tmp_path / name, embed=embedder.embed).name for name in ("a", "a", "b")}
    assert len(folders) == 1
    assert write_index(passages()[1:], tmp_path / "a", embed=embedder.embed).name not in folders
    assert sorted(path.name for path in (tmp_path / "a").glob(".*")) == []


def test_an_index_that_is_not_whole_is_refused(tmp_path: Path, embedder: Embedder) -> None:
    folder = write_index(passages(), tmp_path, embed=embedder.embed)
    (folder / "vectors.npy").write_bytes(b"cut")
    with pytest.raises(InvalidInput, match="differs from its manifest"):
        read_index(folder)


def test_two_thousand_passages_are_searched_at_once(tmp_path: Path, embedder: Embedder) -> None:
    texts = [" ".join(passage.text.split()[:number] * 3) for passage in passages() for number in range(1, 15)] * 20
    many = [Passage(f"{place:016x}", "D", "", f"{text} {place}") for place, text in enumerate(texts)]
    index = read_index(write_index(many, tmp_path, embed=embedder.embed))
    ask(index, embedder, "warm up")
    begin = time.process_time()
    for _ in range(10):
        ask(index, embedder, "How much is express delivery?")
    assert (time.process_time() - begin) / 10 < 0.05
