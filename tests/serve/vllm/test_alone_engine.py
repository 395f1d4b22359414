"""A whole model that answers alone, by real engines: it takes the base model's place with a pause, and gives it back.

One installation whose base model is the tests' small random one; the whole model is that one, moved at random.
"""

import signal
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import openai
import pytest

from nightschool.home import Home
from nightschool.records import BotName

from ...test_loop import Installation, wait_for
from .test_whole_engine import ask, client, installation, move, pid_of

if TYPE_CHECKING:
    from tests.serve.vllm.conftest import TinyModels

__all__ = ["client", "installation"]

pytestmark = [pytest.mark.engine, pytest.mark.timeout(3000), pytest.mark.filterwarnings("default")]

PROMOTE = ("promote", "--bot", "support", "--reason", "a drill")
ROLLBACK = ("rollback", "--bot", "support", "--reason", "a drill")


class Asker:
    """Asks a bot again and again."""

    def __init__(self, client: openai.OpenAI) -> None:
        self._client = client.with_options(max_retries=0)
        self.refused: list[Any] = []

    def ask(self, bot: str) -> str:
        """The version that answered, or the error's code."""
        try:
            return ask(self._client, bot)[1]
        except openai.APIStatusError as error:
            self.refused.append(error.response)
            return str(error.response.json()["error"]["code"])

    def while_running(self, done: "Future[Any]", bot: str) -> list[str]:
        """The codes that came, each once."""
        seen: dict[str, None] = {}
        while not done.done():
            seen[self.ask(bot)] = None
            time.sleep(1)  # a key may ask 120 times a minute
        return [said for said in seen if "@" not in said]


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as pool:
        yield pool


@pytest.fixture
def asker(client: openai.OpenAI) -> Asker:
    return Asker(client)


def is_up(installation: Installation, *, alone: str) -> bool:
    engine = installation.nightschool("status")["engine"]
    return bool((engine["state"], engine["alone"]) == ("ready", alone))


def test_one_that_does_not_start_leaves_the_base_model(
    installation: Installation, asker: Asker, tiny_models: "TinyModels", tmp_path: Path
) -> None:
    folder = move(tiny_models.base, tmp_path / "trained", seed=1)
    done = installation.nightschool("adapters", "add", str(folder), "--bot", "support", "--as", "alone")
    assert (done["candidate"], done["served"], asker.ask("support")) == ("support@1", "alone", "support@base")
    with pytest.raises(AssertionError, match=r"nobody is answered for about .*, as its last start took"):
        installation.nightschool(*PROMOTE)
    [weights] = Home(installation.home).adapter(BotName("support"), done["hash"]).glob("*.safetensors")
    whole = weights.read_bytes()
    weights.write_bytes(whole[:1000])
    with pytest.raises(AssertionError, match="its engine did not start"):
        installation.nightschool(*PROMOTE, "--yes")
    weights.write_bytes(whole)
    wait_for(partial(is_up, installation, alone=""), timeout_s=900, what=str)
    assert [asker.ask(bot) for bot in ("support", "docs")] == ["support@base", "docs@base"]
    [event] = [event for event in installation.nightschool("events") if event["action"] == "not-served"]
    assert (event["subject"], "the base model has the engine again." in event["reason"]) == ("support@1", True)


def test_it_takes_the_base_models_place_and_is_proved(
    installation: Installation, asker: Asker, pool: ThreadPoolExecutor
) -> None:
    moving = pool.submit(installation.nightschool, *PROMOTE, "--yes")
    assert asker.while_running(moving, "support") == ["engine_starting"]
    assert moving.result()["live"] == "support@1"
    assert (asker.refused[0].status_code, int(asker.refused[0].headers["retry-after"]) > 0) == (503, True)
    wait_for(partial(is_up, installation, alone="support@1"), timeout_s=60, what=str)
    assert (asker.ask("support"), asker.ask("docs")) == ("support@1", "unavailable")
    proved = installation.nightschool("prove", "--bot", "support")
    assert (proved["is_proved"], proved["to_adapter"] < proved["to_base"] / 3) == (True, True)
    with pytest.raises(AssertionError, match="needs the base model, in whose place support@1 answers alone"):
        installation.nightschool("night", "--bot", "docs")


def test_killed_in_the_middle_of_a_change_it_is_as_it_was_before(
    installation: Installation, asker: Asker, pool: ThreadPoolExecutor
) -> None:
    pid = pid_of(installation, "support@1")
    moving = pool.submit(installation.nightschool, *ROLLBACK, "--yes")
    wait_for(lambda: pid_of(installation, "support@1") != pid, timeout_s=60, what=str)
    installation.stop(signal.SIGKILL)
    with pytest.raises(AssertionError, match="broke the connection off"):
        moving.result()
    gone = lambda: not installation.engine_processes()  # noqa: E731
    wait_for(gone, timeout_s=15, what=lambda: str(installation.engine_processes()))
    installation.start()
    assert is_up(installation, alone="support@1")
    assert asker.ask("support") == "support@1"


def test_rolled_back_the_base_model_answers_everybody_again(
    installation: Installation, asker: Asker, pool: ThreadPoolExecutor
) -> None:
    moving = pool.submit(installation.nightschool, *ROLLBACK, "--yes")
    assert asker.while_running(moving, "support") == ["engine_starting"]
    assert moving.result()["live"] == "support@base"
    wait_for(partial(is_up, installation, alone=""), timeout_s=60, what=str)
    assert [asker.ask(bot) for bot in ("support", "docs")] == ["support@base", "docs@base"]
    assert installation.stop(signal.SIGINT) < 15
    assert installation.engine_processes() == []
