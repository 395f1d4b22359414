"""Have Gradio describe each kind of component once, not once for each session and change.

Whenever a handler changes a component's looks, Gradio builds a new one for that session and works out the JSON schema
of its values, which its API would tell and no page of ours has: for a chatbot more work than drawing the conversation.
Replaces `Component.api_info` of Gradio 6.31, which keeps the schema with the single component. Knows no page.
"""

from functools import cache
from typing import Any

from gradio.components.base import Component
from gradio.data_classes import GradioModel, GradioRootModel


def describe_each_kind_once() -> None:
    """For every page of this process; a second call changes nothing."""
    Component.api_info = _api_info  # type: ignore[method-assign]


def _api_info(self: Component) -> dict[str, Any]:
    if self.data_model is None:
        raise NotImplementedError(f"{self.get_block_name()} says nothing of its values")
    return _describe(self.data_model)


@cache
def _describe(model: type[GradioModel | GradioRootModel]) -> dict[str, Any]:
    schema = model.model_json_schema()
    return schema | {"additional_description": schema.pop("description", None)}
