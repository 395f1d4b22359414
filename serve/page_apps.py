"""Have Gradio make a page's web application where the page is mounted, and not three times before that too.

Each reads the types of a hundred routes anew, which is most of what building a page takes; those of before are given
up unused. Replaces what `gradio.blocks` of Gradio 6.31 makes them by; `Blocks.launch`, which no page of ours calls, has
its own. Knows no page.
"""

from typing import Any

import gradio.blocks


class _MadeLater:
    @staticmethod
    def create_app(*_: Any, **__: Any) -> None:
        return None


def make_apps_where_mounted() -> None:
    """For every page of this process; a second call changes nothing."""
    gradio.blocks.App = _MadeLater  # type: ignore[assignment,attr-defined]
