"""The chat page shows what each answer stood on, as the record has it."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from nightschool.knowledge import Found, Passage
from nightschool.records import BotName
from serve.chat.views import Place
from serve.parts import Parts
from serve.turns import Turns

from .test_chat_handlers import ask, handlers_of

ANNA = Place("browser:anna", "docs")
FILE = 'name = "docs"\ntitle = "Docs"\nsystem_prompt = "You know."\n[knowledge]\nfolder = "pages"\nguard = "off"\n'
REFUNDS = Passage("a" * 16, "Returns", "Refund time", "Within 5 business days.")
LABEL = Passage("b" * 16, "Returns", "Label", "It is in the app.")


def find_by_words(_bot: BotName, said: Sequence[str]) -> Found:
    """What was once found is so for good, whatever became of the documents."""
    passages = (LABEL, REFUNDS) if "both" in said[-1] else (REFUNDS,) if "money" in said[-1] else ()
    return Found(passages, (0.9,) * len(passages), "index-1")


@pytest.mark.parametrize("shows", [True, False])
async def test_each_answer_has_its_own_sources(parts: Parts, bots_folder: Path, *, shows: bool) -> None:
    (bots_folder / "docs.toml").write_text(FILE + f"show_sources = {str(shows).lower()}\n")
    parts.shelf.look()
    turns = Turns(parts.store, parts.engine, parts.rollout, metrics=parts.metrics, search=find_by_words)
    handlers = handlers_of(replace(parts, turns=turns))
    place = ANNA
    for question in ("the money?", "hello", "both?"):
        place = await ask(handlers, place, question)
    lines = (await handlers.open(place)).lines
    seen = [line.sources for line in lines if line.role == "assistant"]
    assert seen == ([(REFUNDS,), (), (LABEL, REFUNDS)] if shows else [(), (), ()])
    assert not any(line.sources for line in lines if line.role == "user")
