"""A small random Llama with four PEFT adapters, what each must answer, and real vLLM engines that serve them.

Random weights are enough: the question is whether every row of a mixed batch got the weights it asked for, and models
that differ everywhere answer it more sharply than trained ones.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from serve.vllm.launch import cpu_dtype, engine_command, engine_environment, read_cpu_flags

START_TIMEOUT_S = 400.0
ADAPTERS = ("all8", "some4", "all16")
"""As many as the engine has slots, so that the last slot is full (stock vLLM lends it to base rows)."""
REPLACEMENT = "some8"
"""Touches few layers, so that a slot that it takes over must lose the old adapter's weights in all others."""
BASE = "base"
MARKERS = ("<|im_start|>", "<|im_end|>")
CHATML = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


@dataclass(frozen=True)
class Scored:
    """What an engine said: the model asked, all tokens (prompt and answer) and the log-probability of all but one."""

    model: str
    tokens: tuple[int, ...]
    logprobs: tuple[float, ...]


@dataclass(frozen=True)
class TinyModels:
    base: Path
    adapters: Path
    reference: Callable[[str, Sequence[int]], list[float]]
    """Model name and tokens -> log-probabilities by PEFT in fp32 of every token but the first."""

    def error(self, scored: Scored, model: str) -> float:
        """Mean absolute distance of what was served from what `model` should have said."""
        expected = self.reference(model, scored.tokens)
        return sum(abs(a - b) for a, b in zip(scored.logprobs, expected, strict=True)) / len(expected)


@pytest.fixture(scope="session")
def tiny_models(tmp_path_factory: pytest.TempPathFactory) -> TinyModels:
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    root = tmp_path_factory.mktemp("tiny")
    _save_base(root / "base")
    plain = AutoModelForCausalLM.from_pretrained(root / "base", dtype=torch.float32)
    every = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
    some = ["k_proj", "o_proj", "up_proj"]  # one slice of each packed layer, and one row-parallel layer
    for seed, (name, rank, modules) in enumerate(
        [("all8", 8, every), ("some4", 4, some), ("all16", 16, every), (REPLACEMENT, 8, some), ("all32", 32, every)]
    ):
        _save_adapter(root, name, rank=rank, modules=modules, seed=seed)
    model = PeftModel.from_pretrained(plain, root / ADAPTERS[0], adapter_name=ADAPTERS[0])
    for name in (*ADAPTERS[1:], REPLACEMENT):
        model.load_adapter(root / name, adapter_name=name)
    model.eval()

    def reference(name: str, tokens: Sequence[int]) -> list[float]:
        ids = torch.tensor([list(tokens)])
        with torch.no_grad():
            if name == BASE:
                with model.disable_adapter():
                    logits = model(input_ids=ids).logits
            else:
                model.set_adapter(name)
                logits = model(input_ids=ids).logits
        scores = logits[0, :-1].float().log_softmax(-1)
        return [float(score) for score in scores.gather(1, ids[0, 1:, None])[:, 0]]

    return TinyModels(root / "base", root, reference)


def _save_base(folder: Path) -> None:
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE(vocab={letter: number for number, letter in enumerate(alphabet)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    fast = PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=tokenizer, eos_token="</s>", additional_special_tokens=list(MARKERS)
    )
    fast.chat_template = CHATML
    torch.manual_seed(7)
    config = LlamaConfig(
        vocab_size=257 + len(MARKERS), hidden_size=256, intermediate_size=512, num_hidden_layers=4,
        num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=512, tie_word_embeddings=False,
        bos_token_id=None, eos_token_id=256, pad_token_id=256,
    )  # fmt: skip
    model = LlamaForCausalLM(config)  # type: ignore[no-untyped-call]  # as the tokenizer above
    for name, weight in model.named_parameters():
        if weight.ndim == 2:
            # Every layer keeps the scale of its input, and logits have a spread of 2: neither flat nor certain.
            spread = 1.0 if "embed" in name else (2.0 if "lm_head" in name else 1.0) / weight.shape[1] ** 0.5
            torch.nn.init.normal_(weight, std=spread)
    # Rounded first, so that the fp32 reference and a bf16 engine start from the same weights.
    model.generation_config.eos_token_id = [256, fast.convert_tokens_to_ids(MARKERS[1])]
    model.bfloat16().save_pretrained(folder)
    fast.save_pretrained(folder)


def _save_adapter(root: Path, name: str, *, rank: int, modules: list[str], seed: int) -> None:
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    torch.manual_seed(100 + seed)
    plain = AutoModelForCausalLM.from_pretrained(root / "base", dtype=torch.float32)
    model = get_peft_model(plain, LoraConfig(r=rank, lora_alpha=2 * rank, target_modules=modules))
    for parameter_name, weight in model.named_parameters():
        if "lora_A" in parameter_name:
            torch.nn.init.normal_(weight, std=weight.shape[1] ** -0.5)
        elif "lora_B" in parameter_name:
            # alpha / r = 2: what is added has .6 of the spread of W.
            torch.nn.init.normal_(weight, std=0.3 * rank**-0.5)
    model.save_pretrained(str(root / name))


class RunningEngine:
    """A real vLLM with the three adapters loaded."""

    def __init__(self, http: httpx.Client, models: TinyModels, log: Path) -> None:
        self._http = http
        self._models = models
        self._log = log
        self.socket = log.parent / "s"

    def load(self, name: str) -> None:
        self._post("/v1/load_lora_adapter", {"lora_name": name, "lora_path": str(self._models.adapters / name)})

    def unload(self, name: str) -> None:
        self._post("/v1/unload_lora_adapter", {"lora_name": name})

    def load_status(self, name: str, folder: Path) -> int:
        body = {"lora_name": name, "lora_path": str(folder)}
        return self._http.post("/v1/load_lora_adapter", json=body).status_code

    def answer(self, model: str, prompt: Sequence[int], *, max_tokens: int) -> Scored:
        body: dict[str, Any] = {
            "model": model, "prompt": list(prompt), "max_tokens": max_tokens, "echo": True, "logprobs": 1,
            "temperature": 1.0, "ignore_eos": True, "return_token_ids": True,
        }  # fmt: skip
        choice = self._post("/v1/completions", body).json()["choices"][0]
        tokens = (*prompt, *choice["token_ids"][-max_tokens:]) if max_tokens else tuple(prompt)
        return Scored(model, tokens, tuple(choice["logprobs"]["token_logprobs"][1:]))

    def _post(self, path: str, body: Mapping[str, Any]) -> httpx.Response:
        response = self._http.post(path, json=body)
        if response.is_error:
            pytest.fail(f"{path}: {response.text}\n{self._log.read_text(errors='replace')[-4000:]}")
        return response

    def answer_mixed(self, models: Sequence[str], *, each: int, max_tokens: int) -> list[Scored]:
        """`each` requests for every model, all at once; prompts differ in length, so prefills meet decodes."""

        def ask(number: int) -> Scored:
            prompt = [(37 * number + 11 * place + place * place) % 256 for place in range(12 + 9 * (number % 5))]
            return self.answer(models[number % len(models)], prompt, max_tokens=max_tokens)

        with ThreadPoolExecutor(each * len(models)) as pool:
            return list(pool.map(ask, range(each * len(models))))


@contextmanager
def run_engine(models: TinyModels, *, plugin: bool) -> Iterator[RunningEngine]:
    folder = Path(tempfile.mkdtemp(prefix="ns-"))  # a socket's path must be short, which pytest's are not
    command = engine_command(
        Path(sys.executable), model=str(models.base), socket=folder / "s", max_loras=len(ADAPTERS), max_lora_rank=16,
        served_name=BASE, max_model_len=256, dtype=cpu_dtype(read_cpu_flags()), tool_parser="hermes",
        extra=("--max-num-seqs", "32", "--max-num-batched-tokens", "256", "--no-enable-prefix-caching"),
    )  # fmt: skip
    environment = engine_environment(
        os.environ, flavor="cpu", model=str(models.base), cores=os.cpu_count() or 1, kv_cache_gib=1, plugin=plugin
    )
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)
    try:
        transport = httpx.HTTPTransport(uds=str(folder / "s"))
        with httpx.Client(base_url="http://engine", transport=transport, timeout=300) as http:
            _wait_until_up(http, process, folder / "log")
            engine = RunningEngine(http, models, folder / "log")
            for name in ADAPTERS:
                engine.load(name)
            yield engine
    finally:
        _end_group(process)
        shutil.rmtree(folder)


def _wait_until_up(http: httpx.Client, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.5)
        if not _is_listening(log.parent / "s"):
            continue
        try:
            if http.get("/health").is_success:
                return
        except httpx.TransportError:
            continue
    pytest.fail(f"vLLM did not start:\n{log.read_text(errors='replace')[-4000:]}")


def _is_listening(path: Path) -> bool:
    # httpcore leaves a Unix socket that was refused open; the warning then fails some later test.
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(str(path)) == 0


def _end_group(process: subprocess.Popen[bytes]) -> None:
    for number, grace_s in ((signal.SIGTERM, 15), (signal.SIGKILL, 5)):
        try:
            os.killpg(process.pid, number)
            process.wait(grace_s)
        except (ProcessLookupError, subprocess.TimeoutExpired):
            continue


@pytest.fixture(scope="session")
def engine(tiny_models: TinyModels) -> Iterator[RunningEngine]:
    with run_engine(tiny_models, plugin=True) as running:
        yield running


@pytest.fixture(scope="session")
def stock_engine(tiny_models: TinyModels) -> Iterator[RunningEngine]:
    with run_engine(tiny_models, plugin=False) as running:
        yield running
