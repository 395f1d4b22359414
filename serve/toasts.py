"""The small windows in which Gradio tells something, for those who go by keys or by ear.

Their heads are buttons, by Gradio 6.31, in which another button stands: what the outer one does, fold the window,
nobody needs. Does not know what is told, nor on which page.
"""

from typing import Final

import gradio as gr

UNNEST: Final = """() => {
  const unnest = () => document.querySelectorAll('.toast-header[role]').forEach((head) => {
    head.removeAttribute('role');
    head.removeAttribute('tabindex');
  });
  new MutationObserver(unnest).observe(document.body, {subtree: true, childList: true});
}"""


def unnest_toasts(blocks: gr.Blocks) -> None:
    """Once, on the page of `blocks`."""
    blocks.load(None, js=UNNEST)
