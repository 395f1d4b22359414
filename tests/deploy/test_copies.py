"""What was made of erased rows is found by their ids and noted before it goes."""

import json
from pathlib import Path

from deploy.copies import Journal, remove_graded
from nightschool.home import Home
from nightschool.records import new_id
from tune.holding import Sought


def test_of_evals_under_way_those_go_that_were_taken_from_what_is_erased(tmp_path: Path) -> None:
    home, kept = Home(tmp_path), [new_id() for _ in range(20_000)]
    gone = [new_id() for _ in range(20_000)]
    home.evals.mkdir()
    for name, ids in (("one", kept), ("two", [*kept, gone[-1]])):
        home.eval_rows(name).write_text("".join(json.dumps({"message_id": one}) + "\n" for one in ids))
    home.eval_rows("own").write_text(json.dumps({"item": {"id": gone[0]}, "sample": None}) + "\n")
    journal = Journal(tmp_path / "erasures" / "e.journal", root=tmp_path)
    remove_graded(home, Sought(frozenset(), frozenset(gone)), journal)
    assert sorted(file.stem for file in home.evals.iterdir()) == ["one", "own"]
    assert [(removed.path, removed.what) for removed in journal.read()] == [("evals/two.jsonl", "rows of an eval")]
