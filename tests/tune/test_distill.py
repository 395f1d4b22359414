"""A larger model answers, over real HTTP: what may be learnt is kept, and whatever it does is told and ends nothing."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from nightschool.prompt import Neutraliser
from tune.distill import Distillation
from tune.lessons import Reader
from tune.made import Made, read_made
from tune.recipe import Recipe
from tune.rows import read_questions
from tune.sound import House, Inspector

from ..fake_endpoint import Endpoint, Reply, completion
from .school import write_open_questions, write_school

KEY = "sk-very-secret-4711"


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    found = Endpoint()
    yield found
    found.close()


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    folder = write_school(tmp_path / "dataset", lessons=3, pairs=0, up=0, down=0)
    write_open_questions(folder, 5)
    return folder


class Bytes:
    """A tokenizer of bytes with ChatML's template."""

    def apply_chat_template(self, conversation: Any, *, tokenize: bool, add_generation_prompt: bool) -> str:
        said = "".join(f"<|im_start|>{m['role']}\n{m['content']}<|im_end|>\n" for m in conversation)
        return said + ("<|im_start|>assistant\n" if add_generation_prompt else "")

    def __call__(self, text: str, *, add_special_tokens: bool) -> dict[str, Any]:
        return {"input_ids": list(text.encode())}


@pytest.fixture
def ask(endpoint: Endpoint, dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Made]:
    """Has the questions answered for a run of a name of its own; `pauses` takes how long it waited."""
    monkeypatch.setenv("TEACHERS_KEY", KEY)

    def make(name: str = "run", *, pauses: list[float] | None = None, most: int = 9, **changes: Any) -> Made:
        given: dict[str, Any] = {
            "base_model": "m", "dataset": str(dataset), "methods": ("sft", "distill"), "distill_url": endpoint.url,
            "distill_model": "big-one", "distill_key_variable": "TEACHERS_KEY", "distill_timeout_s": 5,
        }  # fmt: skip
        reader = Reader(Bytes(), ends={"<|im_end|>"}, max_tokens=512, neutraliser=Neutraliser())
        wait = (pauses if pauses is not None else []).append
        (tmp_path / name).mkdir(exist_ok=True)
        recipe = Recipe.model_validate(given | changes)
        house = House([], system_prompt="Be kind.")
        distillation = Distillation(recipe, reader, run=tmp_path / name, house=house, pause=wait)
        return distillation.make(reader.questions(dataset, max_tokens=400), most=most)

    return make


def test_what_it_answers_is_checked_marked_and_kept(
    ask: Callable[..., Made], endpoint: Endpoint, dataset: Path, tmp_path: Path
) -> None:
    replies = [
        completion("It takes 5 days."), completion("Write to me@evil.example now.", finish="stop"),
        completion("It takes five", finish="length"), completion("<think>hm, who knows</think>\n\nWe open at nine."),
        completion("hm 4"),
    ]  # fmt: skip
    endpoint.replies = lambda number: replies[number]
    made = ask()
    questions = read_questions(dataset)
    assert [(row.item_id, row.answer, row.source, row.score) for row in made.rows] == [
        (questions[0].item_id, "It takes 5 days.", "big-one", None),
        (questions[3].item_id, "We open at nine.", "big-one", None),
    ]
    assert made.refused == {
        "names a contact that nobody gave": 1, "cut off": 1, "says what was not good before": 1,
    }  # fmt: skip
    assert (made.asked, made.answers, made.remarks) == (5, 5, ())
    first = endpoint.asked[0]
    assert (first["path"], first["key"]) == ("/v1/chat/completions", f"Bearer {KEY}")
    assert first["body"]["model"] == "big-one"
    assert first["body"]["messages"] == [{"role": m["role"], "content": m["content"]} for m in questions[0].prompt]
    assert read_made(tmp_path / "run", "distill") == made


def test_what_was_answered_is_not_asked_again(
    ask: Callable[..., Made], endpoint: Endpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*_: Any, **__: Any) -> Any:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Inspector, "find_unsound", die)
        with pytest.raises(KeyboardInterrupt):
            ask()
    file = tmp_path / "run" / "made" / "distill-answered.jsonl"
    lines = file.read_text().splitlines()
    file.write_text("\n".join(lines[:-1]) + '\n["half a li')  # killed amid the last one
    made = ask()
    assert (len(endpoint.asked), len(made.rows)) == (6, 5)
    assert ask() == made
    assert len(endpoint.asked) == 6


def test_no_more_is_sent_than_was_ordered_and_no_more_kept_than_people_wrote(
    ask: Callable[..., Made], endpoint: Endpoint
) -> None:
    made = ask(distill_answers=3, most=2)
    assert (len(endpoint.asked), made.asked, len(made.rows)) == (3, 3, 2)


def test_a_busy_endpoint_is_waited_for_as_long_as_it_says(ask: Callable[..., Made], endpoint: Endpoint) -> None:
    replies = iter([(429, {"Retry-After": "7"}, ""), (429, {"Retry-After": "9999"}, ""), (503, {}, "")])
    endpoint.replies = lambda _: next(replies, completion("It takes 5 days."))
    pauses: list[float] = []
    made = ask(pauses=pauses)
    assert (pauses, len(made.rows), made.remarks) == ([7, 60, 30], 5, ())


def test_one_that_stays_busy_is_let_be(ask: Callable[..., Made], endpoint: Endpoint) -> None:
    endpoint.replies = lambda _: (429, {}, f"slow down, {KEY}")
    made = ask()
    assert made.rows == ()
    assert made.remarks == ("the endpoint is busy (429: 'slow down, ***') (3 times)",)
    assert len(endpoint.asked) == 12


@pytest.mark.parametrize("status", [301, 400, 401, 404])
def test_one_that_refuses_is_asked_once(ask: Callable[..., Made], endpoint: Endpoint, status: int) -> None:
    endpoint.replies = lambda _: (status, {"Location": "/elsewhere"}, f"no such key: {KEY}")
    made = ask()
    assert made.remarks == (f"the endpoint answered {status}: 'no such key: ***'",)
    assert len(endpoint.asked) == 1


@pytest.mark.parametrize(
    "nonsense",
    [
        (200, {}, ""),
        (200, {}, "<html>hello</html>"),
        (200, {}, "[]"),
        (200, {}, '{"choices": []}'),
        (200, {}, '{"choices": [{"message": {"content": null}}]}'),
        (200, {}, '{"choices": [{"message": {"content": ["text"]}}]}'),
        (200, {}, '{"choices": [{"message": {"content": "\ud800"}}]}'),
    ],
)
def test_nonsense_is_told_and_some_of_it_does_no_harm(
    ask: Callable[..., Made], endpoint: Endpoint, nonsense: Reply
) -> None:
    endpoint.replies = lambda number: nonsense if number in {1, 3} else completion("It takes 5 days.")
    made = ask()
    assert len(made.rows) == 3
    assert made.remarks == ("the endpoint answered what is no chat completion (2 times)",)
    endpoint.replies = lambda _: nonsense
    assert ask("all").remarks == ("the endpoint answered what is no chat completion (3 times)",)


def test_a_reply_without_an_end_is_no_answer(ask: Callable[..., Made], endpoint: Endpoint) -> None:
    endpoint.replies = lambda _: completion("so " * 500_000)
    assert ask().remarks == ("the endpoint's reply is longer than 1000000 bytes (3 times)",)


def test_one_that_does_not_answer_in_time_or_at_all_is_let_be(ask: Callable[..., Made], endpoint: Endpoint) -> None:
    ended = threading.Event()

    def stall(_: int) -> Reply:
        ended.wait(10)
        return completion("It takes 5 days.")

    endpoint.replies = stall
    began_s = time.monotonic()
    made = ask(distill_timeout_s=0.2)
    ended.set()
    assert made.remarks == ("the endpoint took longer than 0.2 s (3 times)",)
    assert time.monotonic() - began_s < 9
    gone = ask("gone", distill_url="http://127.0.0.1:9/v1")
    assert gone.remarks == ("the endpoint cannot be reached (ConnectError) (3 times)",)


@pytest.mark.parametrize(
    ("key", "problem"), [("", "is not set"), ("two words", "holds no key"), ("schlüssel", "holds")]
)
def test_without_its_key_nothing_is_sent(
    ask: Callable[..., Made], endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch, key: str, problem: str
) -> None:
    monkeypatch.setenv("TEACHERS_KEY", key)
    (remark,) = ask().remarks
    assert problem in remark
    assert not endpoint.asked
    assert not key or key not in remark


def test_the_key_is_written_nowhere(
    ask: Callable[..., Made], endpoint: Endpoint, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    endpoint.replies = lambda number: (500, {}, KEY) if number < 4 else completion(f"Your key is {KEY}, thanks.")
    with caplog.at_level(logging.DEBUG):
        made = ask()
    assert made.refused == {"names a contact that nobody gave": 4}
    assert KEY not in caplog.text
    written = [file for file in (tmp_path / "run").rglob("*") if file.is_file() and "answered" not in file.name]
    assert written
    assert not [file for file in written if KEY in file.read_text()]


def test_out_of_time_it_asks_no_more(ask: Callable[..., Made], endpoint: Endpoint, tmp_path: Path) -> None:
    from tune.pace import write_deadline

    (tmp_path / "run").mkdir()
    write_deadline(tmp_path / "run", time.time() - 1)
    time.sleep(0.01)
    made = ask()
    assert made.remarks == ("0 were asked, to be done in time",)
    assert not endpoint.asked


def test_without_a_key_variable_none_is_sent(ask: Callable[..., Made], endpoint: Endpoint) -> None:
    assert len(ask(distill_key_variable="").rows) == 5
    assert {one["key"] for one in endpoint.asked} == {None}
