"""A whole model from outside by real engines: it starts beside the base model, goes live, comes back, and makes room.

One installation whose base model is the tests' small random one; the whole models are that one, moved at random.
"""

import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import openai
import pytest

from nightschool.home import Home
from nightschool.leftovers import read_child

from ...test_loop import Installation, free_port, wait_for

if TYPE_CHECKING:
    from tests.serve.vllm.conftest import TinyModels

pytestmark = [pytest.mark.engine, pytest.mark.timeout(1500), pytest.mark.filterwarnings("default")]

BOT = """
name = "{name}"
title = "Fern"
system_prompt = "Be kind."
starters = ["Where is it?", "How do I clean it?"]
[sampling]
temperature = 0
max_tokens = 20
[schedule]
enabled = false
"""


def move(base: Path, folder: Path, *, seed: int) -> Path:
    """As a training of all weights would, and saved as Trainer saves it."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    torch.manual_seed(seed)
    model: Any = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.15 * float(parameter.std(correction=0)))
    model.save_pretrained(folder)
    AutoTokenizer.from_pretrained(base).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory, tiny_models: "TinyModels") -> Iterator[Installation]:
    folder = tmp_path_factory.mktemp("whole")
    (folder / "bots").mkdir()
    for name in ("support", "docs"):
        (folder / "bots" / f"{name}.toml").write_text(BOT.format(name=name))
    port = free_port()
    environment = {
        **os.environ,
        "NIGHTSCHOOL_HOME": str(folder / "data"),
        "NIGHTSCHOOL_PORT": str(port),
        "NIGHTSCHOOL_BOTS": str(folder / "bots"),
        "NIGHTSCHOOL_ENGINE__MODEL": str(tiny_models.base),
        "NIGHTSCHOOL_ENGINE__MAX_MODEL_LEN": "512",
        "NIGHTSCHOOL_ENGINE__WHOLE_MODELS": "1",
    }
    installation = Installation(folder / "data", port, environment)
    installation.start()
    yield installation
    if installation.process is not None and installation.process.poll() is None:
        installation.stop()


@pytest.fixture(scope="module")
def client(installation: Installation) -> openai.OpenAI:
    key = installation.nightschool("keys", "create", "--name", "whole", "--operator")["key"]
    return openai.OpenAI(base_url=f"{installation.url}/v1", api_key=key, timeout=120)


@pytest.fixture(scope="module")
def answered() -> dict[str, str]:
    """Content hash of who answered, by completion id."""
    return {}


def ask(client: openai.OpenAI, bot: str) -> tuple[str, str]:
    """Completion id and version."""
    asked: Any = [{"role": "user", "content": "How do I clean my lamp?"}]
    raw = client.chat.completions.with_raw_response.create(model=bot, messages=asked)
    return raw.parse().id, raw.headers["x-nightschool-version"]


def is_ready(installation: Installation, name: str, *, starts: int) -> bool:
    own = installation.nightschool("status")["engine"]["whole_models"].get(name)
    return own is not None and (own["state"], own["starts"]) == ("ready", starts)


def pid_of(installation: Installation, name: str) -> int | None:
    return read_child(Home(installation.home).whole_model_log(name).with_suffix(".pid"))


def test_it_starts_beside_the_base_model_and_goes_live(
    installation: Installation,
    client: openai.OpenAI,
    answered: dict[str, str],
    tiny_models: "TinyModels",
    tmp_path: Path,
) -> None:
    folder, during = move(tiny_models.base, tmp_path / "trained", seed=1), []
    with ThreadPoolExecutor(1) as pool:
        adding = pool.submit(
            installation.nightschool, "adapters", "add", str(folder), "--bot", "support", "--as", "whole"
        )
        while not adding.done():
            during.append(ask(client, "docs")[1])
    done = adding.result()
    assert (done["candidate"], done["served"]) == ("support@1", "whole")
    assert (len(during) > 10, set(during)) == (True, {"docs@base"})
    assert ask(client, "support")[1] == "support@base"
    installation.nightschool("promote", "--bot", "support", "--reason", "a drill")
    completion_id, version = ask(client, "support")
    assert version == "support@1"
    proved = installation.nightschool("prove", "--bot", "support")
    assert (proved["hash"], proved["is_proved"]) == (done["hash"], True)
    assert proved["to_adapter"] < proved["to_base"] / 3
    assert ask(client, "docs")[1] == "docs@base"
    answered[completion_id] = done["hash"]


def test_killed_it_comes_back_by_itself_and_nobody_else_notices(
    installation: Installation, client: openai.OpenAI
) -> None:
    pid = pid_of(installation, "support@1")
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: pid_of(installation, "support@1") != pid, timeout_s=30, what=str)
    with pytest.raises(openai.APIStatusError):
        client.with_options(max_retries=0).chat.completions.create(
            model="support", messages=[{"role": "user", "content": "Hello?"}]
        )
    assert ask(client, "docs")[1] == "docs@base"
    wait_for(partial(is_ready, installation, "support@1", starts=2), timeout_s=300, what=str)
    assert ask(client, "support")[1] == "support@1"


def test_after_a_kill_of_the_server_it_is_loaded_again(
    installation: Installation, client: openai.OpenAI, answered: dict[str, str]
) -> None:
    installation.stop(signal.SIGKILL)
    gone = lambda: not installation.engine_processes()  # noqa: E731
    wait_for(gone, timeout_s=15, what=lambda: str(installation.engine_processes()))
    [(completion_id, content_hash)] = answered.items()
    with duckdb.connect(str(installation.home / "record.duckdb"), read_only=True) as record:
        question = "select adapter_hash from messages where message_id = $id"
        assert record.execute(question, {"id": completion_id}).fetchall() == [(content_hash,)]
    installation.start()
    assert ask(client, "support")[1] == "support@1"


def test_rolled_back_it_makes_room_for_the_next_one(
    installation: Installation, client: openai.OpenAI, tiny_models: "TinyModels", tmp_path: Path
) -> None:
    installation.nightschool("rollback", "--bot", "support", "--reason", "a drill")
    assert ask(client, "support")[1] == "support@base"
    folder = move(tiny_models.base, tmp_path / "next", seed=2)
    done = installation.nightschool("adapters", "add", str(folder), "--bot", "support", "--as", "whole")
    assert done["candidate"] == "support@2"
    assert set(installation.nightschool("status")["engine"]["whole_models"]) == {"support@2"}
    assert pid_of(installation, "support@1") is None
    assert installation.stop(signal.SIGINT) < 15
    assert installation.engine_processes() == []
