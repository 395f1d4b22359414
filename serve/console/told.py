"""What every tab of the console does alike: let only the operator through, and tell what went wrong in plain words.

The gate asks who it is before; Gradio would call a handler for anybody. Does not know the tabs.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

import gradio as gr

from nightschool.errors import NightschoolError, NotAllowed
from serve.console.session import actor_of

Updates = dict[Any, Any]
"""Gradio's own shape: component -> new value."""
Given = Mapping[Any, Any]
"""The same for what comes from the page."""
QUIET: Final[Mapping[str, Any]] = {"show_progress": "hidden", "api_visibility": "private"}
"""How every event of the console is wired."""


@contextmanager
def told(request: gr.Request) -> Iterator[str]:
    """Let only operators through, who are given as the audit names them, and tell what went wrong in its own words."""
    try:
        actor = actor_of(request.username)
        if actor is None:
            raise NotAllowed("is for the operator", subject="console", remedy="Sign in again.")
        yield actor
    except NightschoolError as error:
        raise gr.Error(str(error), duration=10, title="That did not work", print_exception=False) from error
