"""The bot `tutor` answers from the docs' page on LoRA and full trainings, as it stands there."""

from pathlib import Path

from collect.knowledge.documents import read_document
from collect.knowledge.index import read_index, write_index
from collect.knowledge.passages import cut
from collect.knowledge.search import search
from nightschool.bots import load_bot
from nightschool.embedding import load_embedder

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "bots" / "tutor" / "knowledge"
WORDS = ("Cost while training", "QLoRA where the base does not fit", "forgets less")
"""That answer the starters."""


def test_its_page_is_the_docs_own() -> None:
    assert [file.name for file in FOLDER.iterdir()] == ["lora-vs-full.md"]
    copy = (FOLDER / "lora-vs-full.md").read_bytes()
    assert copy == (ROOT / "docs" / "lora-vs-full.md").read_bytes(), "cp docs/lora-vs-full.md bots/tutor/knowledge/"


def test_what_it_suggests_to_ask_stands_in_the_page(tmp_path: Path) -> None:
    bot, embed = load_bot(ROOT / "bots" / "tutor.toml"), load_embedder().embed
    passages = cut(read_document(FOLDER / "lora-vs-full.md", folder=FOLDER))
    index = read_index(write_index(passages, tmp_path, embed=embed))
    wanted = bot.knowledge
    for question, words in zip(bot.starters, WORDS, strict=True):
        found = search(index, [question], embed=embed, passages=wanted.passages, min_score=wanted.min_score)
        assert any(words in " ".join(passage.text.split()) for passage in found.passages), question
    aside = search(index, ["How do I return a planter?"], embed=embed, passages=4, min_score=wanted.min_score)
    assert aside.passages == ()
