"""What a user would pick instead: plain `gr.ChatInterface` pages, which say what our fake engine says, at its pace.

`/new/` is empty, `/long/` holds a conversation already. Knows nothing of Nightschool but the pace.
Run: python -m bench.common.plain_chat PORT CONVERSATION.json   (a list of messages with `role` and `content`)
"""

import asyncio
import json
import os
import sys
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path
from typing import Any, Final

# Read by Gradio when a page is built; nobody is to be told of this run.
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"

import gradio as gr
import uvicorn
from fastapi import FastAPI
from gradio.components.chatbot import MessageDict

PACE_S: Final = 0.02
"""Pause before each word, as in `serve.engines`."""


async def answer(asked: str, _history: Sequence[Any]) -> AsyncGenerator[str, None]:
    said = ""
    for word in f"[echo base] {asked}".split(" "):
        await asyncio.sleep(PACE_S)
        said += f" {word}" if said else word
        yield said


def chat_page(conversation: list[MessageDict]) -> gr.Blocks:
    return gr.ChatInterface(answer, chatbot=gr.Chatbot(value=[*conversation]), analytics_enabled=False)


def main() -> None:
    app = FastAPI()
    for path, conversation in (("/new", []), ("/long", json.loads(Path(sys.argv[2]).read_text()))):
        gr.mount_gradio_app(app, chat_page(conversation), path=path, ssr_mode=False)
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="error")


if __name__ == "__main__":
    main()
