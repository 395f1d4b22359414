"""Have lm-evaluation-harness do an exam: rows as a local task, its own environment, the same model.

The environment lies in the user's cache folder and is made where it is missing: lm-eval and what it alone needs; torch,
transformers and the rest are read from the environment that runs this, so both sides compute with the same. Prompts are
handed over rendered by the model's chat template, as the server renders them. Does not know how we evaluate.
"""

import json
import os
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

from eval.suites import SuiteRow
from nightschool.prompt import Neutraliser
from nightschool.records import BASE, ChatMessage, Sampling
from serve.vllm.launch import cpu_dtype, read_cpu_flags
from tune.encode import render_chat
from tune.model import load_tokenizer, read_control_tokens

VERSION: Final = "0.4.13"
REQUIREMENT: Final = f"lm-eval[api]=={VERSION}"
CHILD: Final = Path(__file__).with_name("plain_lm_eval.py")
ANSWERS, REFERENCES = "nightschool_answers", "nightschool_references"
Backend = Literal["hf", "local-completions"]
TIMEOUT_S: Final = 3600


class Examined(NamedTuple):
    start_s: float
    seconds: float
    """Of both tasks, without the start."""
    texts: Mapping[str, str]
    """By row, as the next."""
    logprobs: Mapping[str, float]
    """Of the reference, its end of turn, and the line break before it: lm-eval counts a prompt's last blanks."""
    chrf: float
    """As lm-eval computes it."""


def make_environment() -> Path:
    """Its Python; made once. Raises SystemExit where packages cannot be had."""
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    folder = cache / "nightschool-bench" / f"lm-eval-{VERSION}"
    python, ready = folder / "bin" / "python", folder / ".ready"
    shared = sysconfig.get_paths()["purelib"]
    made_of = f"{REQUIREMENT} {shared}"
    if not ready.exists() or ready.read_text() != made_of:
        print(f"making an environment for lm-eval {VERSION} in {folder}", file=sys.stderr, flush=True)
        venv.create(folder, with_pip=True, clear=True)
        own = Path(sysconfig.get_path("purelib", "venv", vars={"base": str(folder), "platbase": str(folder)}))
        (own / "shared.pth").write_text(f"{shared}\n")
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        done = subprocess.run([*pip, REQUIREMENT], capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"lm-eval {VERSION} could not be installed:\n{done.stderr[-2000:]}")
        ready.write_text(made_of)
    return python


def write_tasks(folder: Path, rows: Sequence[SuiteRow], *, model: str, max_tokens: int) -> None:
    """Two tasks over the same rows: answer them, and say how likely their references are."""
    tokenizer = load_tokenizer(model)
    neutral = Neutraliser(read_control_tokens(tokenizer))
    folder.mkdir(parents=True)
    lines = []
    for row in rows:
        chat = neutral.chat([*row.messages, ChatMessage(role="assistant", content=row.reference)])
        prompt = render_chat(row.row_id, chat[:-1], tokenizer, is_prompt=True)
        # A template may write a line break behind the end of turn, which nobody says.
        whole = render_chat(row.row_id, chat, tokenizer)[len(prompt) :].rstrip()
        lines.append({"row_id": row.row_id, "prompt": prompt, "reference": row.reference, "whole": whole})
    end = lines[0]["whole"].removeprefix(neutral.text(rows[0].reference))
    data = folder / "rows.jsonl"
    data.write_text("".join(json.dumps(line) + "\n" for line in lines))
    shared = {
        "dataset_path": "json", "dataset_kwargs": {"data_files": {"test": str(data)}}, "test_split": "test",
        "doc_to_text": "prompt", "target_delimiter": "", "metadata": {"version": 1},
    }  # fmt: skip
    tasks: Mapping[str, Mapping[str, Any]] = {
        ANSWERS: {
            "output_type": "generate_until",
            "doc_to_target": "reference",
            "generation_kwargs": {"until": [end], "do_sample": False, "max_gen_toks": max_tokens},
            "metric_list": [{"metric": "chrf", "aggregation": "chrf", "higher_is_better": True}],
        },
        REFERENCES: {
            "output_type": "loglikelihood",
            "doc_to_target": "whole",
            "metric_list": [{"metric": "perplexity", "aggregation": "perplexity", "higher_is_better": False}],
        },
    }
    for name, task in tasks.items():
        (folder / f"{name}.yaml").write_text(json.dumps({"task": name, **shared, **task}))  # JSON is YAML, too


def examine_by_harness(
    folder: Path, rows: Sequence[SuiteRow], *, backend: Backend, model: str, url: str, sampling: Sampling,
    max_length: int, at_once: int,
) -> Examined:  # fmt: skip
    """What lm-eval makes of the rows, by the model's folder (`hf`) or by the server at `url`."""
    write_tasks(folder / "tasks", rows, model=model, max_tokens=sampling.max_tokens)
    order = {
        "backend": backend, "model": model, "dtype": cpu_dtype(read_cpu_flags()), "url": url, "served_name": BASE,
        "tasks": [ANSWERS, REFERENCES], "max_length": max_length, "at_once": at_once,
    }  # fmt: skip
    (folder / "order.json").write_text(json.dumps(order))
    environment = {
        **os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(folder / "hf"), "TOKENIZERS_PARALLELISM": "false"
    }  # fmt: skip
    environment.pop("PYTHONPATH", None)
    log = folder / "lm-eval.log"
    with log.open("wb") as output:
        command = [str(make_environment()), str(CHILD), str(folder / "order.json")]
        done = subprocess.run(command, env=environment, stdout=output, stderr=output, timeout=TIMEOUT_S, check=False)
    if done.returncode:
        raise SystemExit(f"lm-eval ({backend}) ended with {done.returncode}:\n{log.read_text()[-4000:]}")
    return _read(json.loads((folder / "figures.json").read_text()))


def _read(figures: Mapping[str, Any]) -> Examined:
    return Examined(
        start_s=figures["start_s"],
        seconds=sum(figures["seconds"].values()),
        texts={row: str(text) for row, text in figures["said"][ANSWERS].items()},
        logprobs={row: float(said[0]) for row, said in figures["said"][REFERENCES].items()},
        chrf=float(figures["results"][ANSWERS]["chrf,none"]),
    )
