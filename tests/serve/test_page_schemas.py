"""Gradio describes the values of each kind of component once."""

import gradio as gr
import pytest

from serve.page_schemas import describe_each_kind_once


@pytest.fixture(autouse=True)
def described_once() -> None:
    describe_each_kind_once()
    describe_each_kind_once()


def test_two_chatbots_share_one_description() -> None:
    assert gr.Chatbot(render=False).api_info() is gr.Chatbot(render=False).api_info()


def test_it_is_the_description_that_gradio_gives() -> None:
    schema = gr.Chatbot.data_model.model_json_schema()
    told = gr.Chatbot(render=False).api_info()
    assert told["additional_description"] == schema.pop("description", None)
    assert {key: told[key] for key in schema} == schema
    assert "description" not in told


def test_a_component_that_has_no_model_of_its_values_describes_itself() -> None:
    assert gr.Textbox(render=False).api_info() == {"type": "string"}
