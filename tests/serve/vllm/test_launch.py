"""With which words and in which environment an engine is started."""

from pathlib import Path
from typing import Any

import pytest

from serve.vllm.client import IDLE_S
from serve.vllm.launch import PLUGIN, cpu_dtype, engine_command, engine_environment, read_cpu_flags


def command(**changes: Any) -> list[str]:
    usual: dict[str, Any] = {
        "model": "/m", "socket": Path("/s"), "max_loras": 2, "max_lora_rank": 16, "served_name": "base",
        "max_model_len": 512, "dtype": "float32",
    }  # fmt: skip
    return engine_command(Path("python"), **(usual | changes))


def environment(base: dict[str, str] | None = None, **changes: Any) -> dict[str, str]:
    usual: dict[str, Any] = {
        "flavor": "cpu", "model": "hub/model", "cores": 2, "kv_cache_gib": 0.4, "plugin": True,
        "libraries": Path("/nowhere"), "allowed_cores": (5, 3, 9),
    }  # fmt: skip
    return engine_environment(base or {}, **(usual | changes))


def test_an_engine_leaves_room_on_a_gpu_where_it_is_told_to() -> None:
    assert "--gpu-memory-utilization" not in command()
    shared = command(gpu_memory_share=0.6)
    assert shared[shared.index("--gpu-memory-utilization") + 1] == "0.6"


def test_an_engine_listens_on_a_socket_or_on_loopback() -> None:
    assert "--uds" in command()
    by_port = command(socket=None, port=8000)
    assert by_port[by_port.index("--host") + 1] == "127.0.0.1"
    for changes in ({"port": 8000}, {"socket": None}):
        with pytest.raises(ValueError, match="exactly one"):
            command(**changes)


def test_a_bare_base_knows_no_adapters() -> None:
    assert "--enable-lora" in command()
    assert not [word for word in command(max_loras=0) if "lora" in word]


def test_what_would_weaken_the_engine_is_kept_from_it() -> None:
    given = {"VLLM_SERVER_DEV_MODE": "1", "VLLM_LORA_RESOLVER_CACHE_DIR": "/x", "PATH": "/bin"}
    made = environment(given)
    assert made["PATH"] == "/bin"
    assert not set(given) & set(made) - {"PATH"}
    assert made["VLLM_DO_NOT_TRACK"] == "1"


def test_a_cpu_engine_gets_its_cores_memory_and_plugin() -> None:
    made = environment()
    assert made["VLLM_CPU_OMP_THREADS_BIND"] == "3,5"
    assert made["VLLM_CPU_KVCACHE_SPACE"] == "1"
    assert environment({"VLLM_PLUGINS": "other"})["VLLM_PLUGINS"] == f"other,{PLUGIN}"
    assert "LD_PRELOAD" not in made


def test_openmp_goes_before_what_was_preloaded(tmp_path: Path) -> None:
    (tmp_path / "libiomp5.so").touch()
    made = environment({"LD_PRELOAD": "/mine.so"}, libraries=tmp_path)
    assert made["LD_PRELOAD"] == f"{tmp_path / 'libiomp5.so'}:/mine.so"


def test_what_was_compiled_is_found_again_unless_somebody_knows_better() -> None:
    assert environment()["VLLM_USE_AOT_COMPILE"] == "0"
    assert environment({"VLLM_USE_AOT_COMPILE": "1"})["VLLM_USE_AOT_COMPILE"] == "1"


def test_a_gpu_is_left_as_it_is() -> None:
    made = environment(flavor="gpu")
    assert not [name for name in made if "CPU" in name or "COMPILE" in name]


def test_a_local_model_asks_no_hub(tmp_path: Path) -> None:
    assert environment(model=str(tmp_path))["HF_HUB_OFFLINE"] == "1"
    assert "HF_HUB_OFFLINE" not in environment()


def test_the_type_follows_the_cpu(tmp_path: Path) -> None:
    cpuinfo = tmp_path / "cpuinfo"
    assert cpu_dtype(read_cpu_flags(cpuinfo)) == "float32"
    cpuinfo.write_text("processor : 0\nflags\t\t: fpu avx2 avx512_bf16\nflags : none\n")
    assert cpu_dtype(read_cpu_flags(cpuinfo)) == "bfloat16"


def test_the_client_drops_an_idle_connection_long_before_the_engine_closes_it() -> None:
    assert float(environment()["VLLM_HTTP_TIMEOUT_KEEP_ALIVE"]) > IDLE_S * 5
    # A remote engine keeps uvicorn's own 5 s.
    assert IDLE_S <= 5 / 2


def test_an_engine_reads_calls_of_tools_where_its_parser_is_named() -> None:
    assert "--enable-auto-tool-choice" not in command()
    words = command(tool_parser="hermes")
    assert "--enable-auto-tool-choice" in words
    assert words[words.index("--tool-call-parser") + 1] == "hermes"


def test_a_whole_model_is_asked_by_its_version_too() -> None:
    words = command(max_loras=0, also_named="support@3")
    names = words[words.index("--served-model-name") + 1 :]
    assert names[:3] == ["base", "support@3", "--max-model-len"]
