import json
from pathlib import Path

import pytest

from serve.cli.main import main

ROW = {"messages": [{"role": "user", "content": "Where?"}, {"role": "assistant", "content": "There."}]}


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert isinstance(ended.value.code, int)
    return ended.value.code


def test_a_good_file_is_counted_without_a_server(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "train.jsonl"
    file.write_text(json.dumps(ROW) + "\n")
    assert run("--home", str(tmp_path / "none"), "files", "check", str(file), "--json") == 0
    told = capsys.readouterr()
    assert json.loads(told.out)["rows"] == 1
    assert "1 rows (chat)" in told.err
    assert not (tmp_path / "none").exists()


def test_a_fault_is_told_with_file_and_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "train.jsonl"
    file.write_text((json.dumps(ROW) + "\n") * 36 + "{}\n")
    assert run("files", "check", str(file)) == 2
    assert f"{file}, line 37: holds neither messages" in capsys.readouterr().err


def test_rows_to_grade_are_checked_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "rows.jsonl"
    file.write_text('{"item": {"q": "Where?"}}\n' * 2)
    assert run("files", "check", str(file), "--purpose", "evals", "--json") == 0
    told = capsys.readouterr()
    assert json.loads(told.out) == {"format": "evals", "rows": 2}
    assert "2 rows to grade" in told.err
    file.write_text("[]")
    assert run("files", "check", str(file), "--purpose", "evals") == 2
    assert f"{file}, line 1: is no JSON object" in capsys.readouterr().err
    assert run("files", "check", str(file), "--purpose", "batch") == 2
    assert "batch is not served here" in capsys.readouterr().err


def test_a_missing_file_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("files", "check", str(tmp_path / "none.jsonl")) == 2
    assert "cannot be read" in capsys.readouterr().err
