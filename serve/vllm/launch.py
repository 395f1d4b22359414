"""The command and the environment of a vLLM server that is ours alone.

Builds them and starts nothing (`serve.vllm.supervisor` does). In: plain values, as the settings have them. Does not
know which adapters will be loaded. The server must listen on loopback or a Unix socket only, since whoever reaches its
LoRA routes can make it load any local path.
"""

import math
import os
import sys
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Final, Literal

from nightschool.layers import ADAPTED_LAYERS
from serve.vllm.lora_cpu import SWITCH

STALE_ADAPTERS: Final = 4
"""Kept in memory beyond the live ones: an unloaded adapter stays until its last request has ended."""
PLUGIN: Final = "nightschool_lora_cpu"
BF16_FLAGS: Final = frozenset({"avx512_bf16", "amx_bf16", "bf16"})
KEEP_ALIVE_S: Final = 60
REFUSED: Final = frozenset({"VLLM_SKIP_MODEL_NAME_VALIDATION", "VLLM_SERVER_DEV_MODE", "VLLM_LORA_RESOLVER_CACHE_DIR"})
"""Would turn unknown adapters into base, open routes that change weights, or load adapters by a caller's path."""


def engine_command(
    python: Path,
    *,
    model: str,
    socket: Path | None = None,
    port: int | None = None,
    host: str = "127.0.0.1",
    max_loras: int,
    max_lora_rank: int,
    served_name: str,
    also_named: str | None = None,
    max_model_len: int,
    dtype: str,
    shutdown_timeout_s: int = 3,
    gpu_memory_share: float | None = None,
    tool_parser: str | None = None,
    extra: Sequence[str] = (),
) -> list[str]:
    """The command line; exactly one of `socket` and `port` says where it listens. `max_loras` 0 is a bare base."""
    if (socket is None) == (port is None):
        raise ValueError("an engine listens on a socket or on a port: give exactly one")
    # Not `vllm serve`: the CPU wheel's looks up the metadata of a distribution named vllm and fails.
    command = [str(python), "-m", "vllm.entrypoints.openai.api_server", "--model", model]
    command += ["--uds", str(socket)] if socket is not None else ["--host", host, "--port", str(port)]
    command += ["--served-model-name", *filter(None, (served_name, also_named))]
    command += ["--max-model-len", str(max_model_len), "--dtype", dtype]
    # Without it SIGTERM aborts answers in flight.
    command += ["--shutdown-timeout", str(shutdown_timeout_s)]
    if gpu_memory_share is not None:
        # Left to itself the engine takes nearly the whole card, and a trainer on it finds no room.
        command += ["--gpu-memory-utilization", str(gpu_memory_share)]
    if tool_parser is not None:
        command += ["--enable-auto-tool-choice", "--tool-call-parser", tool_parser]
    if max_loras:
        command += ["--enable-lora", "--max-loras", str(max_loras), "--max-lora-rank", str(max_lora_rank)]
        command += ["--max-cpu-loras", str(max_loras + STALE_ADAPTERS), "--lora-target-modules"]
        command += ADAPTED_LAYERS  # without a list vLLM wraps the embedding and the head as well
    return [*command, *extra]


def engine_environment(
    base_env: Mapping[str, str],
    *,
    flavor: Literal["cpu", "gpu"],
    model: str,
    cores: int,
    kv_cache_gib: float,
    plugin: bool,
    libraries: Path = Path(sys.prefix) / "lib",
    allowed_cores: Collection[int] | None = None,
) -> dict[str, str]:
    """`base_env` and what the engine needs. `plugin` off serves base requests wrongly beside adapters on CPU."""
    env = {name: value for name, value in base_env.items() if name not in REFUSED}
    env |= {"VLLM_ALLOW_RUNTIME_LORA_UPDATING": "1", "VLLM_NO_USAGE_STATS": "1", "VLLM_DO_NOT_TRACK": "1"}
    # The client drops an idle connection long before: a question must not meet one that the server is closing.
    env["VLLM_HTTP_TIMEOUT_KEEP_ALIVE"] = str(KEEP_ALIVE_S)
    if Path(model).is_dir():
        env |= {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}
    if flavor == "gpu":
        return env
    # Left to itself vLLM keeps a core free for its front end, which idles while an answer is decoded.
    usable = sorted(os.sched_getaffinity(0) if allowed_cores is None else allowed_cores)[:cores]
    env["VLLM_CPU_OMP_THREADS_BIND"] = ",".join(map(str, usable))
    env["VLLM_CPU_KVCACHE_SPACE"] = str(max(1, math.ceil(kv_cache_gib)))  # vLLM takes whole GiB only
    env[SWITCH] = "1" if plugin else "0"
    # vLLM 0.32 saves what it compiled ahead of time on CPU and then cannot load it: each start would compile anew.
    env.setdefault("VLLM_USE_AOT_COMPILE", "0")
    if "VLLM_PLUGINS" in env and PLUGIN not in env["VLLM_PLUGINS"].split(","):
        env["VLLM_PLUGINS"] += f",{PLUGIN}"  # an allow-list without ours would leave it out silently
    openmp = libraries / "libiomp5.so"
    if openmp.exists():
        env["LD_PRELOAD"] = ":".join(filter(None, [str(openmp), env.get("LD_PRELOAD")]))
    return env


def cpu_dtype(flags: Collection[str]) -> str:
    """The fastest type on a CPU with these flags: bf16 products without hardware for them are up to 8 times slower."""
    return "bfloat16" if BF16_FLAGS.intersection(flags) else "float32"


def read_cpu_flags(cpuinfo: Path = Path("/proc/cpuinfo")) -> frozenset[str]:
    """The flags of the first core; empty where the system does not say."""
    if not cpuinfo.exists():
        return frozenset()
    for line in cpuinfo.read_text(encoding="utf-8").splitlines():
        if line.startswith(("flags", "Features")):
            return frozenset(line.partition(":")[2].split())
    return frozenset()
