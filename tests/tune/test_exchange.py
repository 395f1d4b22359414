"""A dataset's training rows as TRL and LLaMA-Factory take them."""

import json
from pathlib import Path
from typing import Any

import pytest

from nightschool.records import ChatMessage
from tune.exchange import FILES, INFO, write_exchange
from tune.rows import Kind, name_row
from tune.select import Lesson, Lineage, Pair, Rated
from tune.words import Word

LINEAGE = Lineage(messages=("m",), votes=(), reviews=(), is_let_in=True)


def write_rows(folder: Path, *, count: int = 6) -> Path:
    system = ChatMessage(role="system", content="Be kind.")
    prompts = [(system, ChatMessage(role="user", content=f"Où est {n}? \u2028")) for n in range(count)]
    lessons = [Lesson(f"l{n}", (*p, ChatMessage(role="assistant", content="ici", weight=1)), LINEAGE)
               for n, p in enumerate(prompts)]  # fmt: skip
    pairs = [Pair(f"p{n}", p, "ici", "non", LINEAGE, Word.CORRECTED) for n, p in enumerate(prompts)]
    votes = [Rated(f"v{n}", p, f"ici {n}", n % 2 == 0, LINEAGE) for n, p in enumerate(prompts)]
    folder.mkdir()
    write_exchange(
        folder,
        {"sft": [*map(name_row, lessons)], "pairs": [*map(name_row, pairs)], "votes": [*map(name_row, votes)]},
    )
    return folder


def read(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text().split("\n")[:-1]]


def test_the_table_names_files_and_columns_that_are_there(tmp_path: Path) -> None:
    folder = write_rows(tmp_path / "set")
    table = json.loads((folder / INFO).read_text())
    assert set(table) == {"nightschool_sft", "nightschool_pairs", "nightschool_votes"}
    for entry in table.values():
        rows = read(folder / entry["file_name"])
        assert len(rows) == 6
        assert all(set(entry["columns"].values()) <= row.keys() for row in rows)
    # LLaMA-Factory wants chats in turns: up to a question where two answers are ranked, else to an answer.
    assert [len(row["prompt"][1:]) % 2 for row in read(folder / "trl_dpo.jsonl")] == [1] * 6
    assert [len(row["messages"][1:]) % 2 for row in read(folder / "trl_kto.jsonl")] == [0] * 6
    assert read(folder / "trl_sft.jsonl")[0]["messages"][1] == {"role": "user", "content": "Où est 0? \u2028"}


def test_what_has_no_rows_has_no_file(tmp_path: Path) -> None:
    folder = write_rows(tmp_path / "some", count=0)
    assert list(folder.iterdir()) == []


@pytest.mark.train
@pytest.mark.filterwarnings("ignore")
@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("kind", ["sft", "pairs", "votes"])
def test_plain_trl_takes_the_folder_as_it_lies(kind: Kind, base_model: Path, tmp_path: Path) -> None:
    from datasets import load_dataset
    from transformers import AutoTokenizer
    from trl.trainer.dpo_config import DPOConfig
    from trl.trainer.dpo_trainer import DPOTrainer
    from trl.trainer.kto_config import KTOConfig
    from trl.trainer.kto_trainer import KTOTrainer
    from trl.trainer.sft_config import SFTConfig
    from trl.trainer.sft_trainer import SFTTrainer

    folder = write_rows(tmp_path / "set")
    cache = str(tmp_path / "cache")
    rows = load_dataset("json", data_files=str(folder / FILES[kind]), split="train", cache_dir=cache)
    makers: dict[str, tuple[Any, Any]] = {
        "sft": (SFTTrainer, SFTConfig),
        "pairs": (DPOTrainer, DPOConfig),
        "votes": (KTOTrainer, KTOConfig),
    }
    make, configure = makers[kind]
    config = configure(
        output_dir=str(tmp_path / "out"),
        max_steps=2,
        per_device_train_batch_size=2,
        logging_steps=1,
        use_cpu=True,
        bf16=False,
        report_to="none",
        save_strategy="no",
        disable_tqdm=True,
    )
    tokenizer = AutoTokenizer.from_pretrained(base_model)
    trainer = make(model=str(base_model), args=config, train_dataset=rows, processing_class=tokenizer)
    trainer.train()
    assert trainer.state.global_step == 2
