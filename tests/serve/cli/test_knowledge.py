"""`nightschool knowledge`: what is indexed, what a question finds, and which questions find nothing."""

import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from serve.parts import Parts

Nightschool = Callable[..., Awaitable[Any]]


@pytest.fixture
def docs(parts: Parts, bots_folder: Path) -> Path:
    folder = bots_folder / "docs"
    folder.mkdir()
    (folder / "shipping.md").write_text("# Shipping\n\n## Express\n\nExpress shipping costs 12 euro.\n")
    (folder / "scan.pdf").write_text("no PDF")
    file = bots_folder / "support.toml"
    file.write_text(file.read_text() + '[knowledge]\nfolder = "docs"\n')
    parts.shelf.look()
    return folder


async def test_status_names_documents_and_what_is_not_read(nightschool: Nightschool, docs: Path) -> None:
    said = await nightschool("knowledge", "status")
    assert "shipping.md\tShipping\t1" in said.out
    assert "not read: scan.pdf is damaged" in said.err
    found = (await nightschool("knowledge", "status", "--json")).json
    assert (found["passages"], [fault["file"] for fault in found["faults"]]) == (1, ["scan.pdf"])


async def test_show_tells_what_a_question_finds_and_how_near(nightschool: Nightschool, docs: Path) -> None:
    said = await nightschool("knowledge", "show", "How much is express?")
    assert "yes\tShipping > Express\tExpress shipping costs 12 euro." in said.out
    (near,) = (await nightschool("knowledge", "show", "How much is express?", "--json")).json["passages"]
    assert near["is_served"]
    (near,) = (await nightschool("knowledge", "show", "hm?", "--after", "What does express cost?", "--json")).json[
        "passages"
    ]
    assert near["is_served"]


async def test_check_lists_questions_on_which_nothing_is_written(
    nightschool: Nightschool, docs: Path, client: httpx.AsyncClient
) -> None:
    for question in ("What does express shipping cost?", "Do you sell hoses?", "Do you sell hoses?"):
        body = {"model": "support", "messages": [{"role": "user", "content": question}]}
        assert (await client.post("/v1/chat/completions", json=body)).is_success
    found = (await nightschool("knowledge", "check", "--json")).json
    assert found["questions"] == 3
    assert [(one["question"], one["times"]) for one in found["unanswered"]] == [("Do you sell hoses?", 2)]
    assert "2\t\tDo you sell hoses?" in (await nightschool("knowledge", "check")).out


async def test_check_says_which_of_them_exams_ask(nightschool: Nightschool, docs: Path, tmp_path: Path) -> None:
    for flag, question in (("--held-out", "Do you sell hoses?"), ("--training", "Do you sell seeds?")):
        turns = [{"role": "user", "content": question}, {"role": "assistant", "content": "No."}]
        (tmp_path / "chats.jsonl").write_text(json.dumps({"messages": turns}))
        assert (await nightschool("import", str(tmp_path / "chats.jsonl"), "--bot", "support", flag)).code == 0
    found = (await nightschool("knowledge", "check", "--json")).json
    asked = {one["question"]: one["is_held_out"] for one in found["unanswered"]}
    assert asked == {"Do you sell hoses?": True, "Do you sell seeds?": False}
    assert "1\tyes\tDo you sell hoses?" in (await nightschool("knowledge", "check")).out


async def test_a_bot_without_documents_says_so(nightschool: Nightschool) -> None:
    said = await nightschool("knowledge", "status")
    assert (said.code, "knowledge.folder" in said.err) == (2, True)


async def test_answers_of_the_team_are_counted_and_shown(
    nightschool: Nightschool, parts: Parts, bots_folder: Path, tmp_path: Path
) -> None:
    file = bots_folder / "support.toml"
    file.write_text(file.read_text() + "[knowledge]\nanswers = 2\n")
    parts.shelf.look()
    turns = [{"role": "user", "content": "How much is express?"}, {"role": "assistant", "content": "12 euro."}]
    (tmp_path / "chats.jsonl").write_text(json.dumps({"messages": turns}))
    assert (await nightschool("import", str(tmp_path / "chats.jsonl"), "--bot", "support")).code == 0
    assert "1 answers of the team" in (await nightschool("knowledge", "status")).err
    said = await nightschool("knowledge", "show", "What does express cost?")
    assert "Our team's answer > How much is express?\t12 euro." in said.out
