"""The bot `reviewer` reviews by the style guide of one codebase, which its answers stand on."""

from pathlib import Path

import pytest

from collect.knowledge.documents import look, read_document
from collect.knowledge.index import Index, read_index, write_index
from collect.knowledge.passages import cut
from collect.knowledge.search import search
from nightschool.bots import load_bot
from nightschool.embedding import load_embedder

BOTS = Path(__file__).parents[2] / "bots"


@pytest.fixture(scope="module")
def guide(tmp_path_factory: pytest.TempPathFactory) -> Index:
    folder = BOTS / load_bot(BOTS / "reviewer.toml").knowledge.folder
    passages = [passage for file in look(folder) for passage in cut(read_document(file, folder=folder))]
    return read_index(write_index(tuple(passages), tmp_path_factory.mktemp("guide"), embed=load_embedder().embed))


@pytest.mark.parametrize(
    ("asked", "place"),
    [
        ("Is a bare `except:` ever right in Python?", "Python at Ravelin Works > Errors"),
        (
            "Review: def total(prices: list[float]) -> float: return sum(prices)  # money",
            "Python at Ravelin Works > Money",
        ),
        ("Review: started = datetime.now()", "Python at Ravelin Works > Times"),
        ('Review: cursor.execute(f"select * from orders where id = {id}")', "SQL at Ravelin Works > Parameters"),
        ("May a test call sleep?", "Tests at Ravelin Works > Time and chance"),
    ],
)
def test_what_the_guide_says_of_the_code_stands_in_the_prompt(guide: Index, asked: str, place: str) -> None:
    wanted = load_bot(BOTS / "reviewer.toml").knowledge
    embed = load_embedder().embed
    found = search(guide, [asked], embed=embed, passages=wanted.passages, min_score=wanted.min_score)
    assert place in [passage.place for passage in found.passages]
