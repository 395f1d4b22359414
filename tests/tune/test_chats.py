"""Files of chats that a bot's file names."""

import json
from pathlib import Path

import pytest

from nightschool.errors import InvalidInput
from tune.chats import read_chats

HI = {"role": "user", "content": "Hi", "name": "ann"}
HO = {"role": "assistant", "content": "Ho", "weight": 0}


def test_a_line_is_a_chat_and_the_rest_of_it_is_left(tmp_path: Path) -> None:
    file = tmp_path / "chats.jsonl"
    file.write_text("\ufeff" + json.dumps({"messages": [HI, HO], "topic": "greetings"}) + "\n\n")
    assert list(read_chats(file, key="recipe.suites")) == [
        ({"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Ho"})
    ]


def test_a_folder_is_read_by_the_order_of_its_names(tmp_path: Path) -> None:
    for name in ("b.jsonl", "a/z.jsonl", "notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(json.dumps({"messages": [{"role": "user", "content": name}]}))
    assert [chat[0]["content"] for chat in read_chats(tmp_path, key="k")] == ["a/z.jsonl", "b.jsonl"]


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (None, "cannot be read"),
        (b"", "holds no chats"),
        (b"\n \n", "holds no chats"),
        (b"\xff\xfe\n", "it is not UTF-8"),
        (b"{", "line 1: is no chat"),
        (b'{"messages": []}', "line 1: is no chat"),
        (
            b'{"messages": [{"role": "user", "content": "a"}]}\n{"messages": [{"role": "bot", "content": "a"}]}',
            "line 2",
        ),
        (b'{"messages": [{"role": "user", "content": null}]}', "line 1: is no chat"),
    ],
)
def test_what_is_no_file_of_chats_is_refused_with_the_line(tmp_path: Path, content: bytes | None, why: str) -> None:
    file = tmp_path / "chats.jsonl"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(InvalidInput, match=why):
        list(read_chats(file, key="recipe.suites"))


def test_a_folder_without_chats_is_refused_and_told_by_which_key_it_came(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"holds no chats.*recipe.replay_rows"):
        list(read_chats(tmp_path, key="recipe.replay_rows"))
