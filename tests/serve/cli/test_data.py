import hashlib
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from nightschool.settings import ServerSettings

Nightschool = Callable[..., Awaitable[Any]]


def conversation(question: str, answer: str = "Here is how.") -> str:
    said = [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
    return json.dumps({"messages": said})


def a_file(folder: Path, *lines: str) -> str:
    file = folder / "tickets.jsonl"
    file.write_text("\n".join(lines) + "\n")
    return str(file)


@pytest.fixture
def server_settings() -> ServerSettings:
    """An import may have 50 times this: 50 kB."""
    return ServerSettings(max_body_bytes=1_000, requests_per_minute=100_000)


async def test_an_import_reports_bad_lines_and_takes_nothing_twice(nightschool: Nightschool, tmp_path: Path) -> None:
    file = a_file(tmp_path, conversation("one"), "no json", conversation("two"), "", '{"messages": []}')
    first = (await nightschool("import", file, "--bot", "support", "--json")).json
    assert (first["imported"], first["skipped"]) == (2, 0)
    assert [bad["line"] for bad in first["bad_lines"]] == [2, 5]
    assert first["bad_lines"][0]["reason"].startswith("is not JSON")
    again = await nightschool("import", file, "--bot", "support")
    assert (again.code, again.out) == (0, "0 imported, 2 known already, 2 bad lines\n")
    assert "  line 2: is not JSON" in again.err


async def test_bad_lines_are_kept_aside_and_a_dry_run_changes_nothing(nightschool: Nightschool, tmp_path: Path) -> None:
    file = a_file(tmp_path, conversation("one"), '{"messages": []}')
    dry = await nightschool("import", file, "--bot", "support", "--dry-run")
    assert (dry.code, dry.out) == (0, "1 would be imported, 0 known already, 1 bad lines\n")
    assert "openai-chat: 1" in dry.err
    aside = Path(f"{file}.bad.jsonl")
    assert not aside.exists()
    said = await nightschool("import", file, "--bot", "support")
    assert said.out.startswith("1 imported")
    assert f"the bad lines are kept in {aside}" in said.err
    [bad] = map(json.loads, aside.read_text().splitlines())
    assert (bad["line"], bad["text"]) == (2, '{"messages": []}')


async def test_a_format_that_is_none_and_a_file_that_fits_none(nightschool: Nightschool, tmp_path: Path) -> None:
    said = await nightschool("import", a_file(tmp_path, conversation("one")), "--bot", "support", "--format", "csv2")
    assert (said.code, "One of: openai-preference" in said.err) == (2, True)
    said = await nightschool("import", a_file(tmp_path, *['{"instruction": "a"}'] * 3), "--bot", "support")
    assert said.code == 2
    assert said.out == "0 imported, 0 known already, 1 bad lines\n"
    assert "line 1: fits no format; the nearest is alpaca, which also has output" in said.err


async def test_where_no_line_is_good_the_exit_code_says_so(nightschool: Nightschool, tmp_path: Path) -> None:
    said = await nightschool("import", a_file(tmp_path, "no", "json"), "--bot", "support", "--json")
    assert said.code == 2
    assert [bad["line"] for bad in json.loads(said.out)["bad_lines"]] == [1, 2]
    assert (await nightschool("import", a_file(tmp_path), "--bot", "support")).code == 0


async def test_stdin_and_purpose(nightschool: Nightschool) -> None:
    lines = "\n".join(map(conversation, "abc")).encode()
    said = await nightschool("import", "-", "--bot", "support", "--held-out", "--json", stdin=lines)
    assert said.json == {
        "imported": 3, "skipped": 0, "moved": 0, "votes": 0, "corrections": 0, "scores": 0,
        "formats": {"openai-chat": 3}, "bad_lines": [],
    }  # fmt: skip
    plan = (await nightschool("night", "--bot", "support", "--dry-run", "--json")).json
    assert (plan["train_rows"], plan["held_out_conversations"]) == (0, 3)
    [event] = (await nightschool("events", "--json")).json
    assert (event["actor"], event["action"], event["subject"]) == ("key:boss", "imported", "3 conversations")


async def test_what_cannot_be_imported_is_said(nightschool: Nightschool, tmp_path: Path) -> None:
    for file in (tmp_path / "none.jsonl", tmp_path):
        said = await nightschool("import", str(file), "--bot", "support")
        assert (said.code, said.out) == (2, "")
        assert f"{file}: cannot be read" in said.err
    file = tmp_path / "tickets.jsonl"
    assert (await nightschool("import", a_file(tmp_path, conversation("one")), "--bot", "nobody")).code == 3
    file.write_text(conversation("x" * 60_000))
    large = await nightschool("import", str(file), "--bot", "support")
    assert (large.code, large.out) == (2, "")
    assert "import: is larger than 50000 bytes. Import it in parts" in large.err


async def test_an_export_comes_back_in_as_it_was(nightschool: Nightschool, tmp_path: Path) -> None:
    questions = ["Où est mon colis ? \u2028 \U0001f331", "tab\tand\\n"]
    await nightschool("import", a_file(tmp_path, *map(conversation, questions)), "--bot", "support")
    said = await nightschool("export", "--bot", "support")
    lines = [json.loads(line) for line in said.out.split("\n") if line]
    assert sorted(line["messages"][0]["content"] for line in lines) == sorted(questions)
    out = tmp_path / "out.jsonl"
    to_file = await nightschool("export", "--bot", "support", "-o", str(out))
    assert (to_file.out, out.read_text()) == ("", said.out)
    assert f"2 conversations in {out}" in to_file.err
    card = json.loads((tmp_path / "out.jsonl.manifest.json").read_text())
    assert (card["rows"], card["sha256"]) == (2, hashlib.sha256(out.read_bytes()).hexdigest())
    back = (await nightschool("import", str(out), "--bot", "reviewer", "--json")).json
    assert (back["imported"], back["bad_lines"]) == (2, [])


async def test_an_export_that_cannot_be_made_leaves_the_file_alone(nightschool: Nightschool, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    out.write_text("kept")
    assert (await nightschool("export", "--bot", "nobody", "-o", str(out))).code == 3
    assert out.read_text() == "kept"
    said = await nightschool("export", "--bot", "support", "-o", str(tmp_path / "no" / "folder"))
    assert (said.code, "cannot be written (No such file or directory)" in said.err) == (2, True)
    assert (await nightschool("export", "--bot", "support")).out == ""


async def test_answers_are_exported_as_rows(nightschool: Nightschool, tmp_path: Path) -> None:
    await nightschool("import", a_file(tmp_path, conversation("one"), conversation("two")), "--bot", "support")
    out = tmp_path / "answers.parquet"
    said = await nightschool("export", "--bot", "support", "--format", "parquet", "-o", str(out))
    assert (said.code, out.read_bytes()[:4]) == (0, b"PAR1")
    assert f"2 answers in {out}" in said.err
    lines = await nightschool("export", "--bot", "support", "--format", "jsonl", "--vote", "none")
    assert len(lines.out.splitlines()) == 2
    wrong = await nightschool("export", "--bot", "support", "--format", "jsonl", "--vote", "maybe")
    assert wrong.code == 2
    alone = await nightschool("export", "--bot", "support", "--vote", "up")
    assert (alone.code, "Say --format as well" in alone.err) == (2, True)
