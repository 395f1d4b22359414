import json
from pathlib import Path
from typing import Any

import pytest

from nightschool.errors import InvalidFile
from nightschool.files import verify
from tune.file_dataset import build_from_files
from tune.rows import TRAIN, read_pairs, read_sft_rows, read_votes
from tune.split import Side

USER = {"role": "user", "content": "Where?"}
SAID = {"role": "assistant", "content": "There."}
CHAT = {"messages": [{"role": "system", "content": "Be kind."}, USER, {**SAID, "weight": 0}, USER, SAID]}
PAIR = {"input": {"messages": [USER]}, "preferred_output": [SAID], "non_preferred_output": [{**SAID, "content": "No."}]}


def write(file: Path, *rows: Any) -> Path:
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return file


def labelled(*labels: bool) -> list[dict[str, Any]]:
    return [{"prompt": f"Where {n}?", "completion": "There.", "label": label} for n, label in enumerate(labels)]


def test_every_row_is_learnt_and_those_to_validate_are_held_out(tmp_path: Path) -> None:
    train, held_out = write(tmp_path / "a", CHAT, CHAT), write(tmp_path / "b", CHAT)
    content_hash = build_from_files(train, held_out, tmp_path / "dataset")
    assert verify(tmp_path / "dataset").content_hash == content_hash
    rows = list(read_sft_rows(tmp_path / "dataset" / TRAIN))
    assert [[m.get("weight", 1) for m in row.messages if m["role"] == "assistant"] for row in rows] == [[0, 1]] * 2
    assert [message["content"] for message in rows[0].messages][:2] == ["Be kind.", "Where?"]
    assert len(list(read_sft_rows(tmp_path / "dataset" / "sft_held_out.parquet"))) == 1
    # Once it is whole, it is not made again.
    train.unlink()
    assert build_from_files(train, held_out, tmp_path / "dataset") == content_hash


def test_one_that_was_cut_off_is_made_anew_with_the_same_bytes(tmp_path: Path) -> None:
    train = write(tmp_path / "a", CHAT)
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "sft_train.parquet").write_bytes(b"half")
    assert build_from_files(train, None, tmp_path / "one") == build_from_files(train, None, tmp_path / "two")


def test_pairs_and_votes(tmp_path: Path) -> None:
    build_from_files(write(tmp_path / "a", PAIR), None, tmp_path / "pairs")
    [pair] = read_pairs(tmp_path / "pairs", Side.TRAIN)
    assert (pair.chosen, pair.rejected) == ("There.", "No.")
    build_from_files(write(tmp_path / "b", *labelled(True, False, True)), None, tmp_path / "votes")
    assert [vote.is_good for vote in read_votes(tmp_path / "votes", Side.TRAIN)] == [True, False, True]


def test_labels_of_one_kind_teach_nothing(tmp_path: Path) -> None:
    with pytest.raises(InvalidFile, match="labels of one kind"):
        build_from_files(write(tmp_path / "a", *labelled(True, True)), None, tmp_path / "votes")
