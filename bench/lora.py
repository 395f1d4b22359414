"""How fast are adapters on CPU, measured against the fastest way to serve the bare base on the same machine?

Tokens a second at 1, 4 and 16 streams of (a) the base without LoRA, compiled, (b) stock vLLM with one adapter, (c) ours
with one adapter, (d) ours with base and two adapters mixed. Each rival runs beside an idle base engine and the two take
turns, since speeds of different minutes on a shared machine cannot be compared; a ratio is the rival's best against the
best of the base beside it. Adapters are random, which costs what trained ones cost. Says nothing of rightness:
tests/serve/vllm does.
Run: python bench/lora.py [--quick] [--model FOLDER]   The last line is one JSON object.
"""

import argparse
import asyncio
import json
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple

import httpx

from nightschool.child import run_child
from nightschool.layers import ADAPTED_LAYERS
from serve.vllm.launch import cpu_dtype, engine_command, engine_environment, read_cpu_flags

TOKENS: Final = 64
RANK: Final = 16
STREAMS: Final = (1, 4, 16)
START_TIMEOUT_S: Final = 600.0
TARGETS: Final = {"adapter_vs_base_1": 0.9, "adapter_vs_base_16": 0.9, "mixed_vs_base_16": 0.5}
BASE: Final = "base"
ADAPTERS: Final = ("first", "second")


@dataclass
class Speeds:
    """Best tokens a second of each (set-up, streams), of one rival and the base that took turns with it."""

    best: dict[tuple[str, int], float] = field(default_factory=dict)

    def note(self, setup: str, streams: int, tokens_per_s: float) -> None:
        self.best[setup, streams] = max(self.best.get((setup, streams), 0.0), tokens_per_s)
        print(f"  {setup:>6} {streams:>2} streams {tokens_per_s:8.1f} tok/s", file=sys.stderr, flush=True)

    def ratio(self, setup: str, streams: int) -> float:
        return round(self.best[setup, streams] / self.best["base", streams], 3)


class Row(NamedTuple):
    """One line of the table; `key` names it in the JSON."""

    key: str
    title: str
    best: Mapping[tuple[str, int], float]
    setup: str


@dataclass(frozen=True)
class Workshop:
    model: Path
    adapters: Path
    dtype: str

    @asynccontextmanager
    async def run_engine(self, name: str, *, loras: int, plugin: bool) -> AsyncIterator[httpx.AsyncClient]:
        """A warm engine, its adapters loaded."""
        socket, log = self.adapters / f"{name}.sock", self.adapters / f"{name}.log"
        command = engine_command(
            Path(sys.executable), model=str(self.model), socket=socket, max_loras=loras, max_lora_rank=RANK,
            served_name=BASE, max_model_len=512, dtype=self.dtype,
        )  # fmt: skip
        environment = engine_environment(
            os.environ, flavor="cpu", model=str(self.model), cores=os.cpu_count() or 1, kv_cache_gib=1, plugin=plugin
        )
        transport = httpx.AsyncHTTPTransport(uds=str(socket))
        async with (
            run_child(command, log=log, environment=environment) as child,
            httpx.AsyncClient(base_url="http://engine", transport=transport, timeout=600) as http,
        ):
            deadline = time.monotonic() + START_TIMEOUT_S
            while not await _is_up(http):
                if not child.is_running or time.monotonic() > deadline:
                    raise SystemExit(f"the {name} engine did not start:\n{child.log_tail(30)}")
                await asyncio.sleep(0.5)
            for adapter in ADAPTERS[:loras]:
                body = {"lora_name": adapter, "lora_path": str(self.adapters / adapter)}
                (await http.post("/v1/load_lora_adapter", json=body)).raise_for_status()
            await measure(http, [BASE, *ADAPTERS[:loras]], streams=3)
            yield http


async def _is_up(http: httpx.AsyncClient) -> bool:
    try:
        return (await http.get("/health")).is_success
    except httpx.TransportError:
        return False


async def measure(http: httpx.AsyncClient, models: Sequence[str], *, streams: int) -> float:
    """Tokens a second of `streams` answers at once, the models taking turns."""

    async def ask(number: int) -> int:
        body = {
            "model": models[number % len(models)], "prompt": f"Question {number}: how do I return my order?",
            "max_tokens": TOKENS, "ignore_eos": True, "temperature": 0,
        }  # fmt: skip
        response = await http.post("/v1/completions", json=body)
        response.raise_for_status()
        return int(response.json()["usage"]["completion_tokens"])

    started = time.perf_counter()
    tokens = sum(await asyncio.gather(*(ask(number) for number in range(streams))))
    return tokens / (time.perf_counter() - started)


async def run(workshop: Workshop, *, rounds: int, stock_streams: Sequence[int]) -> tuple[Speeds, Speeds]:
    """The speeds of ours and of stock."""
    with_ours, with_stock = Speeds(), Speeds()
    first = list(ADAPTERS[:1])
    async with AsyncExitStack() as whole:
        base = await whole.enter_async_context(workshop.run_engine("base", loras=0, plugin=False))
        async with workshop.run_engine("ours", loras=len(ADAPTERS), plugin=True) as ours:
            for _ in range(rounds):
                for streams in STREAMS:
                    with_ours.note("base", streams, await measure(base, [BASE], streams=streams))
                    with_ours.note("ours", streams, await measure(ours, first, streams=streams))
                with_ours.note("mixed", 16, await measure(ours, [BASE, *ADAPTERS], streams=16))
        async with workshop.run_engine("stock", loras=1, plugin=False) as stock:
            for _ in range(rounds):
                for streams in stock_streams:
                    with_stock.note("base", streams, await measure(base, [BASE], streams=streams))
                    with_stock.note("stock", streams, await measure(stock, first, streams=streams))
    return with_ours, with_stock


def make_adapters(model: Path, folder: Path) -> None:
    import torch  # noqa: PLC0415  # heavy, and only here
    from peft import LoraConfig, get_peft_model  # noqa: PLC0415
    from transformers import AutoModelForCausalLM  # noqa: PLC0415

    for seed, name in enumerate(ADAPTERS):
        torch.manual_seed(seed)
        plain = AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32)
        adapted = get_peft_model(plain, LoraConfig(r=RANK, lora_alpha=RANK, target_modules=list(ADAPTED_LAYERS)))
        for parameter, weight in adapted.named_parameters():
            if "lora_B" in parameter:
                torch.nn.init.normal_(weight, std=1e-3)
        adapted.save_pretrained(str(folder / name))


def report(with_ours: Speeds, with_stock: Speeds, *, dtype: str, stock_streams: Sequence[int]) -> None:
    ratios = {
        **{f"adapter_vs_base_{streams}": with_ours.ratio("ours", streams) for streams in STREAMS},
        "mixed_vs_base_16": with_ours.ratio("mixed", 16),
        **{f"stock_vs_base_{streams}": with_stock.ratio("stock", streams) for streams in stock_streams},
    }
    rows = (
        Row("base", "no LoRA, compiled", with_ours.best, "base"),
        Row("ours", "ours, one adapter", with_ours.best, "ours"),
        Row("mixed", "ours, base + 2 adapters", with_ours.best, "mixed"),
        Row("base_beside_stock", "no LoRA, beside stock", with_stock.best, "base"),
        Row("stock", "stock LoRA, one adapter", with_stock.best, "stock"),
    )
    print(f"tok/s, {dtype}, {TOKENS} tokens an answer")
    print(f"{'streams':<26}" + "".join(f"{streams:>9}" for streams in STREAMS))
    raw: dict[str, float] = {}
    for row in rows:
        cells = {streams: row.best.get((row.setup, streams)) for streams in STREAMS}
        print(f"{row.title:<26}" + "".join(f"{cell:9.1f}" if cell else f"{'-':>9}" for cell in cells.values()))
        raw |= {f"{row.key}_{streams}": round(cell, 1) for streams, cell in cells.items() if cell}
    for name, target in TARGETS.items():
        print(f"{name:<26}{ratios[name]:9.2f}  target {target}  {'met' if ratios[name] >= target else 'MISSED'}")
    print(json.dumps({**ratios, **raw, "dtype": dtype}))


def main() -> None:
    home = Path(os.environ.get("NIGHTSCHOOL_HOME", "data"))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="about a minute of measuring")
    parser.add_argument("--model", type=Path, default=home / "models" / "default", help="folder of the base model")
    parser.add_argument("--dtype", default=cpu_dtype(read_cpu_flags()))
    options = parser.parse_args()
    if not (options.model / "config.json").exists():
        parser.error(f"no model in {options.model}: run `make up` once, or give --model")
    stock_streams = (16,) if options.quick else STREAMS
    with tempfile.TemporaryDirectory(prefix="ns-bench-") as folder:
        make_adapters(options.model, Path(folder))
        workshop = Workshop(options.model.absolute(), Path(folder), options.dtype)
        with_ours, with_stock = asyncio.run(
            run(workshop, rounds=2 if options.quick else 4, stock_streams=stock_streams)
        )
    report(with_ours, with_stock, dtype=options.dtype, stock_streams=stock_streams)


if __name__ == "__main__":
    main()
