"""Ask a base model, without its weights, what its chat template teaches and which of its layers learn.

In: a model's folder or a hub's id. Out: a probe as JSON: a chat of several turns as the template renders it, what of it
would be learnt, the control tokens that people's text must not hold, the layers with and without an adapter, and what
speaks against the model, if anything does. The reading side does not load torch, so the server asks a child of its own.
Does not know settings or the data folder.
Run: python -m tune.probe MODEL FILE. Exit code 0 wherever FILE was written, also where it refuses the model.
"""

import argparse
import hashlib
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, Protocol

from pydantic import BaseModel, ConfigDict, ValidationError

from nightschool.errors import InvalidInput
from nightschool.files import write_atomic
from nightschool.identity import find_upload, identify_base
from nightschool.prompt import Neutraliser
from nightschool.records import ChatMessage
from tune.encode import IGNORED, ChatTokenizer, as_served, encode_rows, render_chat, takes_system

CHAT: Final = (
    ChatMessage(role="system", content="You answer for a shop."),
    ChatMessage(role="user", content="May I return it?"),
    ChatMessage(role="assistant", content="Yes, for 30 days."),
    ChatMessage(role="user", content="And after that?"),
    ChatMessage(role="assistant", content="Then we repair it."),
)
MAX_TOKENS: Final = 4096
CODE: Final = ("probe.py", "encode.py", "model.py", "../nightschool/prompt.py", "../nightschool/layers.py")


class Tokenizer(ChatTokenizer, Protocol):
    def decode(self, token_ids: Any) -> Any: ...


class Probe(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    key: str
    """Of the model's files and of the code that probed it; see `probe_key`."""
    rendered: str = ""
    """The probe chat as the template renders it."""
    learnt: tuple[str, ...] = ()
    """What of it is learnt, answer by answer."""
    control_tokens: tuple[str, ...] = ()
    adapted: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    """Matrices that get no adapter."""
    takes_system: bool = True
    """Whether the template renders a system prompt; else it goes before the first question."""
    is_cut: bool = False
    """Whether a chat becomes a row for each answer, since the template can mark no more than one."""
    problem: str = ""
    """What speaks against the model; empty where nothing does."""
    remedy: str = ""


def probe_key(model: str, *, find_upload: Callable[[str], str] = find_upload) -> str:
    """Changes with what is probed and with the code; for an id of a hub with each upload under it."""
    digest = hashlib.sha256(model.encode(errors="surrogateescape"))
    for name in CODE:
        digest.update((Path(__file__).parent / name).read_bytes())
    what = identify_base(model) if Path(model).is_dir() else find_upload(model)
    digest.update(what.encode())
    return digest.hexdigest()


def read_probe(file: Path, *, model: str) -> Probe | None:
    """The probe of this very model in `file`, if there is one."""
    try:
        probe = Probe.model_validate_json(file.read_bytes())
    except (OSError, ValidationError):
        return None
    return probe if probe.key == probe_key(model) else None


def probe_model(model: str) -> Probe:
    """See the module. Never raises for a model that cannot be used, but says so."""
    from tune import model as models  # noqa: PLC0415 - torch takes seconds

    probe = Probe(key=probe_key(model))
    try:
        tokenizer = models.load_tokenizer(model)
        ends = models.read_end_tokens(tokenizer, model)
        probe = probe.model_copy(
            update={
                "control_tokens": models.read_control_tokens(tokenizer),
                "takes_system": takes_system(tokenizer),
                "rendered": render_chat("of the probe", CHAT, as_served(tokenizer)),
            }
        )
        probe = probe.model_copy(update=_lesson(tokenizer, ends=ends))
        layers = models.find_layers(models.outline_base(model))
        models.check_layers(layers, model)
        return probe.model_copy(update={"adapted": layers.adapted, "left_out": layers.left_out})
    except InvalidInput as error:
        return probe.model_copy(update={"problem": f"{error.subject} {error.problem}", "remedy": error.remedy})


def _lesson(tokenizer: Tokenizer, *, ends: frozenset[str]) -> dict[str, object]:
    """What the probe chat teaches. Raises InvalidInput where that does not end a turn, the first or the last."""
    chats = [("first", CHAT[:3]), ("whole", CHAT)]
    rows, report = encode_rows(chats, tokenizer, ends=ends, max_tokens=MAX_TOKENS, neutraliser=Neutraliser())
    learnt = tuple(
        str(tokenizer.decode([label for label in row.labels if label != IGNORED]))
        for row in rows
        if row.item_id == "whole"
    )
    if wrong := [row for row in rows if tokenizer.decode([row.labels[-1]]) not in ends]:
        raise InvalidInput(
            f"ends what is learnt with {tokenizer.decode([wrong[0].labels[-1]])!r}, where the engine stops at "
            f"{' or '.join(sorted(ends))} only",
            subject="the model's chat template",
            remedy="Choose another base model, or name its end of turn as eos_token_id in generation_config.json.",
        )
    return {"learnt": learnt, "is_cut": report.cut_chats > 0}


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="tune.probe", description="Probe a base model.")
    parser.add_argument("model")
    parser.add_argument("file", type=Path)
    options = parser.parse_args(arguments)
    os.environ.setdefault("TQDM_DISABLE", "1")  # bars would fill the log
    options.file.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(options.file, probe_model(options.model).model_dump_json() + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
