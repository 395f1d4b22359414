"""Builders for the tune tests: a snapshot as the record writes it, and a small random Llama with its own tokenizer."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from nightschool.files import publish

from .school import write_school

START = datetime(2026, 1, 1, tzinfo=UTC)
TIME = pa.timestamp("us", tz="UTC")
PREFERENCES = pa.schema(
    [
        ("conversation_id", pa.string()),
        ("voter", pa.string()),
        ("chosen_at", TIME),
        ("better_id", pa.string()),
        ("worse_id", pa.string()),
    ]
)
SCHEMAS = {
    "conversations": pa.schema(
        [
            ("conversation_id", pa.string()),
            ("owner", pa.string()),
            ("source", pa.string()),
            ("created_at", TIME),
            ("is_held_out", pa.bool_()),
            ("topic", pa.string()),
            ("side", pa.string()),
        ]
    ),
    "messages": pa.schema(
        [
            ("message_id", pa.string()),
            ("conversation_id", pa.string()),
            ("parent_id", pa.string()),
            ("role", pa.string()),
            ("content", pa.string()),
            ("source", pa.string()),
            ("created_at", TIME),
            ("version", pa.int64()),
            ("adapter_hash", pa.string()),
            ("finish", pa.string()),
            ("weight", pa.int64()),
        ]
    ),
    "feedback": pa.schema(
        [
            ("message_id", pa.string()),
            ("voter", pa.string()),
            ("vote", pa.string()),
            ("reasons", pa.list_(pa.string())),
            ("comment", pa.string()),
            ("ideal_answer", pa.string()),
            ("voted_at", TIME),
            ("address", pa.string()),
            ("is_released", pa.bool_()),
            ("is_kept_out", pa.bool_()),
        ]
    ),
    "reviews": pa.schema(
        [
            ("message_id", pa.string()),
            ("reviewer", pa.string()),
            ("approved", pa.bool_()),
            ("corrected_answer", pa.string()),
            ("tags", pa.list_(pa.string())),
            ("reviewed_at", TIME),
        ]
    ),
}


@dataclass
class SnapshotBuilder:
    """Collects rows and writes them as `collect.snapshot` does."""

    folder: Path
    rows: dict[str, list[dict[str, object]]] = field(default_factory=lambda: {name: [] for name in SCHEMAS})
    preferences: list[dict[str, object]] = field(default_factory=list)
    together: list[dict[str, object]] = field(default_factory=list)
    minutes: int = 0

    def talk(
        self,
        name: str,
        *turns: str,
        owner: str = "import",
        held_out: bool | None = None,
        topic: str | None = None,
        side: str | None = None,
        system: str = "",
    ) -> list[str]:
        """A conversation whose `turns` are questions and answers by turns; returns the messages' ids, without that of
        the `system` message that a caller may have sent before them."""
        source = "import" if owner == "import" else "api" if owner.startswith("key:") else "chat"
        self.rows["conversations"].append(
            {
                "conversation_id": name,
                "owner": owner,
                "source": source,
                "created_at": self._now(),
                "is_held_out": held_out,
                "topic": topic,
                "side": side,
            }
        )
        parent = self.say(name, system, role="system", parent=None, source=source) if system else None
        ids: list[str] = []
        for position, content in enumerate(turns):
            parent = self.say(name, content, role="assistant" if position % 2 else "user", parent=parent, source=source)
            ids.append(parent)
        return ids

    def say(
        self,
        name: str,
        content: str,
        *,
        role: str,
        parent: str | None,
        source: str = "chat",
        finish: str | None = "stop",
        weight: int = 1,
    ) -> str:
        message_id = f"{name}/{len(self.rows['messages'])}"
        self.rows["messages"].append(
            {
                "message_id": message_id,
                "conversation_id": name,
                "parent_id": parent,
                "role": role,
                "content": content,
                "source": source,
                "created_at": self._now(),
                "version": None,
                "adapter_hash": "",
                "finish": finish if role == "assistant" and source != "import" else None,
                "weight": weight,
            }
        )
        return message_id

    def know(self, *owners: str) -> None:
        """Let them have been here a day and a half before whatever comes next."""
        for owner in owners:
            self.talk(f"first of {owner}", "Hello?", "Hello.", owner=owner)
        self.wait(days=1.5)

    def vote(
        self,
        message_id: str,
        vote: str,
        *,
        voter: str = "browser:v",
        ideal: str = "",
        address: str = "",
        released: bool = False,
    ) -> None:
        self.rows["feedback"].append(
            {
                "message_id": message_id,
                "voter": voter,
                "vote": vote,
                "reasons": [],
                "comment": "",
                "ideal_answer": ideal,
                "voted_at": self._now(),
                "address": address,
                "is_released": released,
                "is_kept_out": False,
            }
        )

    def prefer(self, better: str, worse: str, *, voter: str = "browser:v") -> None:
        """Of two answers of a conversation."""
        name = better.partition("/")[0]
        self.preferences.append(
            {
                "conversation_id": name,
                "voter": voter,
                "chosen_at": self._now(),
                "better_id": better,
                "worse_id": worse,
            }
        )

    def show_together(self, one: str, other: str) -> None:
        """Ask somebody which of two answers is better; what they say is `prefer`'s, or that both are alike."""
        self.together.append({"one_id": one, "other_id": other})

    def review(self, message_id: str, *, approved: bool, corrected: str = "") -> None:
        self.rows["reviews"].append(
            {
                "message_id": message_id,
                "reviewer": "operator",
                "approved": approved,
                "corrected_answer": corrected,
                "tags": [],
                "reviewed_at": self._now(),
            }
        )

    def write(self, name: str = "snapshot") -> Path:
        target = self.folder / name
        target.mkdir()
        for table, schema in SCHEMAS.items():
            pq.write_table(pa.Table.from_pylist(self.rows[table], schema=schema), target / f"{table}.parquet")
        if self.preferences:
            pq.write_table(pa.Table.from_pylist(self.preferences, schema=PREFERENCES), target / "preferences.parquet")
        if self.together:
            pq.write_table(pa.Table.from_pylist(self.together), target / "seen_together.parquet")
        publish(target, kind="snapshot", about={"taken_at": (START + timedelta(minutes=self.minutes)).isoformat()})
        return target

    def wait(self, *, days: float) -> None:
        self.minutes += round(days * 24 * 60)

    def _now(self) -> datetime:
        self.minutes += 1
        return START + timedelta(minutes=self.minutes)


CHATML = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


@pytest.fixture(scope="session")
def base_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds a random Llama of two layers and a byte tokenizer with ChatML template."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM, set_seed

    folder = tmp_path_factory.mktemp("base") / "tiny-llama"
    tokenizer = byte_tokenizer()
    tokenizer.save_pretrained(folder)
    set_seed(3)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        initializer_range=0.2,
        max_position_embeddings=512,
        tie_word_embeddings=True,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.eos_token_id,
        bos_token_id=None,
    )
    model: Any = LlamaForCausalLM(config)  # type: ignore[no-untyped-call]
    model.to(torch.bfloat16).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """Of a tiny model the threads would mostly wait for one another, here and in trainers that are started."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("OMP_NUM_THREADS", "1")
        yield
    torch.set_num_threads(before)


def rounding(in_fp32: float, in_bf16: float) -> float:
    """What two ways to one figure may differ by, as this CPU trains: one with bf16 instructions rounds more."""
    import torch

    from tune.model import choose_dtype

    return in_bf16 if choose_dtype("cpu") is torch.bfloat16 else in_fp32


def byte_tokenizer() -> Any:
    """One token a byte, and ChatML's two markers."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE(vocab={letter: n for n, letter in enumerate(alphabet)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(["<|im_start|>", "<|im_end|>"])
    markers = {"eos_token": "<|im_end|>", "pad_token": "<|im_end|>"}
    wrapped: Any = PreTrainedTokenizerFast(tokenizer_object=tokenizer, **markers)  # type: ignore[no-untyped-call]
    wrapped.chat_template = CHATML
    return wrapped


@pytest.fixture(scope="session")
def chat_tokenizer() -> Any:
    return byte_tokenizer()


def write_dataset(folder: Path) -> Path:
    """A finished dataset of 20 short rows of several lengths, in a new folder; nobody voted."""
    return write_school(folder, pairs=0, up=0, down=0)


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    return write_dataset(tmp_path / "dataset")


@pytest.fixture
def record(tmp_path: Path) -> SnapshotBuilder:
    return SnapshotBuilder(tmp_path)
