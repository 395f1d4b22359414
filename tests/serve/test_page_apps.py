"""A page's web application is made once, where the page is mounted."""

from collections import Counter

import gradio as gr
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from gradio.routes import App

from serve.page_apps import make_apps_where_mounted

# What Gradio leaves to the collector is not ours to mend.
pytestmark = [
    pytest.mark.filterwarnings("default"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:gradio"),
    pytest.mark.filterwarnings("ignore:unclosed event loop:ResourceWarning"),
]


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> Counter[gr.Blocks]:
    """How many applications were made of each page."""
    make_apps_where_mounted()
    made: Counter[gr.Blocks] = Counter()
    configure = App.configure_app

    def count(app: App, blocks: gr.Blocks) -> None:
        made[blocks] += 1
        configure(app, blocks)

    monkeypatch.setattr(App, "configure_app", count)
    return made


def test_a_page_is_built_into_one_application_which_answers(made: Counter[gr.Blocks]) -> None:
    with gr.Blocks(title="Once") as blocks:
        gr.Textbox(label="A box")
    blocks.queue(max_size=3)
    assert made[blocks] == 0
    app = gr.mount_gradio_app(FastAPI(), blocks, path="/")
    assert made[blocks] == 1
    with TestClient(app) as client:
        assert "A box" in client.get("/").text
