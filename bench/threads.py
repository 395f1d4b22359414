"""How should a trainer's threads wait for one another? Tokens a second by how they do, alone and beside busy processes.

Each figure is a child of its own (the runtime reads its settings once) that takes steps of LoRA training, forward and
backward, on a random model of SmolLM2-135M's shape, at the trainer's first priority. Neighbours, who come once it has
loaded, are loops at everybody's priority that work for 20 ms and sleep for 20 ms, as an engine does between tokens:
beside some that never sleep a trainer at the lowest priority does not come to its next step, however it waits. Settings
take turns, and the best of the rounds counts, since a shared machine has bad minutes.
Run: python bench/threads.py [--quick]   The last line is one JSON object.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final

ROWS, ROW_TOKENS = 4, 128
WAYS: Final[Mapping[str, Mapping[str, str]]] = {
    "default": {},
    "passive": {"OMP_WAIT_POLICY": "PASSIVE"},
    "spins 1,000 times": {"GOMP_SPINCOUNT": "1000"},
    "spins 20,000 times": {"GOMP_SPINCOUNT": "20000"},
}
"""PyTorch's wheels bring GNU's OpenMP; `KMP_BLOCKTIME` is LLVM's and changes nothing there."""
OURS: Final = frozenset(name for way in WAYS.values() for name in way)
BUSY: Final = """
import time
while True:
    until = time.monotonic() + 0.02
    while time.monotonic() < until:
        pass
    time.sleep(0.02)
"""
NICENESS: Final = 19


def take_steps(seconds: float) -> float:
    """Tokens a second of forward and backward passes, from a line on standard input on; one is taken before."""
    import torch  # noqa: PLC0415 - in the child only
    from transformers import AutoModelForCausalLM, LlamaConfig  # noqa: PLC0415

    from tune.model import add_adapter, choose_dtype  # noqa: PLC0415
    from tune.recipe import Recipe  # noqa: PLC0415

    config = LlamaConfig(
        vocab_size=49_152, hidden_size=576, intermediate_size=1536, num_hidden_layers=30, num_attention_heads=9,
        num_key_value_heads=3, tie_word_embeddings=True,
    )  # fmt: skip
    base = AutoModelForCausalLM.from_config(config, dtype=choose_dtype("cpu"))  # type: ignore[no-untyped-call]
    model = add_adapter(base.requires_grad_(False), Recipe(base_model="random", dataset="none"))
    ids = torch.randint(49_152, (ROWS, ROW_TOKENS))

    def step() -> None:
        loss = model(input_ids=ids, labels=ids).loss
        loss.backward()

    step()
    print("ready", flush=True)
    sys.stdin.readline()
    began, steps = time.monotonic(), 0
    while time.monotonic() - began < seconds:
        step()
        steps += 1
    return steps * ids.numel() / (time.monotonic() - began)


@contextmanager
def busy_neighbours(count: int) -> Iterator[None]:
    loops = [subprocess.Popen([sys.executable, "-c", BUSY]) for _ in range(count)]
    try:
        yield
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()


def measure(way: Mapping[str, str], *, seconds: float, neighbours: int) -> float:
    environment = {name: value for name, value in os.environ.items() if name not in OURS}
    command = ["nice", "-n", str(NICENESS), sys.executable, __file__, "--child", str(seconds)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, env={**environment, **way}, stdin=pipe, stdout=pipe, text=True) as child:
        assert child.stdout is not None
        if child.stdout.readline() != "ready\n":
            raise SystemExit("the steps did not begin")
        with busy_neighbours(neighbours):
            return float(child.communicate("begin\n")[0])


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one round of four seconds, two loads")
    parser.add_argument("--child", type=float, help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if given.child:
        print(take_steps(given.child))
        return 0
    cores = os.cpu_count() or 1
    loads = (0, cores) if given.quick else (0, cores, 2 * cores)
    rounds, seconds = (1, 4.0) if given.quick else (3, 10.0)
    figures: dict[str, float] = {}
    print("| half-busy processes beside | " + " | ".join(WAYS) + " |\n|---" + "|---" * len(WAYS) + "|")
    for load in loads:
        taken = [
            {name: measure(way, seconds=seconds, neighbours=load) for name, way in WAYS.items()} for _ in range(rounds)
        ]
        best = {name: max(turn[name] for turn in taken) for name in WAYS}
        print(f"| {load} | " + " | ".join(f"{best[name]:.0f} tokens/s" for name in WAYS) + " |", flush=True)
        figures |= {
            f"{name.replace(' ', '_').replace(',', '')}_beside_{load}": round(speed, 1) for name, speed in best.items()
        }
    print(json.dumps(figures))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
