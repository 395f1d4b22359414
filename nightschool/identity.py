"""Which base model that is: by what lies in its files, wherever they are and whatever it is called.

The same name may hold other weights tomorrow, on a hub as in a folder. Weights are told by samples spread over each
file, since a training moves all of them and reading sixteen gigabytes takes minutes; a change of a few numbers by hand
may stay unseen.
"""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

PATTERNS: Final = (
    "config.json", "generation_config.json", "tokenizer*", "chat_template*", "special_tokens_map.json",
    "*.safetensors", "*.safetensors.index.json", "*.bin", "*.gguf", "*.model",
)  # fmt: skip
"""What decides about what a model says; a changed README makes no other model."""
SAMPLES: Final = 64
SAMPLE_BYTES: Final = 65_536
HUB_TIMEOUT_S: Final = 10.0


def identify_base(model: str) -> str:
    """A hash of the folder `model`, or of what this machine has of a hub's id; the id itself where it has nothing."""
    folder = Path(model) if Path(model).is_dir() else _cached(model)
    if folder is None:
        return model
    digest = hashlib.sha256()
    for file in sorted({file for pattern in PATTERNS for file in folder.glob(pattern) if file.is_file()}):
        digest.update(f"{file.name} {file.stat().st_size}\n".encode(errors="surrogateescape"))
        for sample in _samples(file):
            digest.update(sample)
    return digest.hexdigest()


def find_upload(model: str) -> str:
    """The newest upload under a hub's id, where the hub says so, else the one this machine has; empty without either.

    Waits for the hub.
    """
    import httpx  # noqa: PLC0415 - a folder needs neither
    from huggingface_hub import HfApi  # noqa: PLC0415

    try:
        return HfApi().model_info(model, timeout=HUB_TIMEOUT_S).sha or ""
    except (OSError, ValueError, httpx.HTTPError):
        folder = _cached(model)
        return folder.name if folder else ""


def _samples(file: Path) -> Iterator[bytes]:
    """Pieces of the file from its beginning to its end; the whole of a small one."""
    size = file.stat().st_size
    with file.open("rb") as content:
        for number in range(SAMPLES):
            content.seek(max(0, size - SAMPLE_BYTES) * number // (SAMPLES - 1))
            yield content.read(SAMPLE_BYTES)


def _cached(model: str) -> Path | None:
    """The folder of this machine's newest download of a hub's id."""
    from huggingface_hub import try_to_load_from_cache  # noqa: PLC0415 - a folder needs none

    try:
        file = try_to_load_from_cache(model, "config.json")
    except ValueError:  # no id that a hub could have
        return None
    return Path(file).parent if isinstance(file, str) else None
