"""Replies to suites are kept for other nights, and what a person had erased is not."""

from pathlib import Path

from eval.answers import Contestant
from eval.kept import tidy_kept
from eval.suite.every import ask_suites, find_questions
from eval.suite.registry import SuiteOrder
from nightschool.echo import EchoEngine
from nightschool.records import Sampling

from ...tables import write_table

BASE = Contestant("base", "base", "")


def complain(folder: Path, *questions: str) -> Path:
    """A dataset of these complaints, each answered wrongly, disliked and corrected."""
    folder.mkdir()
    prompts = {question: [{"role": "user", "content": question}] for question in questions}
    pairs = [{"item_id": q, "prompt": prompt, "chosen": "right", "rejected": "wrong"} for q, prompt in prompts.items()]
    votes = [{"prompt": prompt, "answer": "wrong", "is_good": False} for prompt in prompts.values()]
    write_table(folder / "pairs_train.parquet", pairs)
    write_table(folder / "votes_train.parquet", votes)
    write_table(folder / "items.parquet", [{"item_id": q, "reviews": ["m"]} for q in questions])
    return folder


async def test_a_complaint_that_was_erased_leaves_what_is_kept(tmp_path: Path) -> None:
    before = SuiteOrder(("regression", "retention"), "", complain(tmp_path / "1", "stays?", "my secret?"), max_cases=5)
    after = SuiteOrder(("regression", "retention"), "", complain(tmp_path / "2", "stays?"), max_cases=5)
    kept = tmp_path / "kept"
    await ask_suites(before, EchoEngine(), [BASE], sampling=Sampling(), cache=kept)
    [file] = kept.iterdir()
    assert len(file.read_text().splitlines()) == 7
    tidy_kept(kept, row_ids=find_questions(after))
    assert len(file.read_text().splitlines()) == 6
    assert "stays" in file.read_text()
    assert "secret" not in file.read_text()
    # A suite that is not asked any more is of no exam.
    tidy_kept(kept, row_ids=find_questions(SuiteOrder(("golden",), "", tmp_path / "2")))
    assert not file.exists()
