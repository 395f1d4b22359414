"""Have Gradio's page say which language it is in, and Gradio speak it too, and hear Esc in another site's frame.

By itself the page says English until its script runs, and then whatever the browser likes best, in which Gradio names
its own buttons: a French browser was told that our German, or English, is French. Nor is its manifest beside it, as all
else that it names, but at the root, which below a path (`serve.sub_path`) is another's. A frame has the focus, and with
it every key, before any script of ours runs in it; Esc would lead nowhere until then. Replaces how Gradio 6.31 loads
its template. Does not know who chooses the language: a scope that says none is an English page's, as the console's.
"""

from typing import Final

from gradio.route_utils import STATIC_TEMPLATE_LIB
from gradio.routes import templates
from jinja2 import Environment, FileSystemLoader, FunctionLoader

LANGUAGE: Final = "nightschool.language"
"""Where in a request's scope the code of the page's language stands."""
SAYS_ENGLISH: Final = 'lang="en"'
SAYS_ITS_OWN: Final = f'lang="{{{{ request.scope.get("{LANGUAGE}", "en") }}}}"'
AT_THE_ROOT: Final = 'href="/manifest.json"'
BESIDE: Final = 'href="./manifest.json"'
BEGINS: Final = "<script>window.gradio_config"
LISTENS_TO_THE_PAGE: Final = (
    "<script>Object.defineProperty(navigator, 'language', {value: document.documentElement.lang})</script>"
)
"""Gradio asks the browser, and before any script of ours would run."""
LISTENS_FOR_ESCAPE: Final = """<script>
if (window.parent !== window) window.addEventListener('keydown', (event) => {
  const isDrawers = document.querySelector('#ns-app')?.dataset.side === 'open';
  if (event.key === 'Escape' && !isDrawers) window.parent.postMessage({nightschool: 'close'}, '*');
}, true);
</script>"""
"""The drawer beside the talk is closed first. What closes the panel is `serve/widget.js`."""


def speak_the_pages_language() -> None:
    """For every page of this process; a second call changes nothing."""
    environment: Environment = templates.env
    theirs = FileSystemLoader(STATIC_TEMPLATE_LIB)

    def load(name: str) -> str:
        page, _, _ = theirs.get_source(environment, name)
        page = page.replace(SAYS_ENGLISH, SAYS_ITS_OWN, 1).replace(AT_THE_ROOT, BESIDE, 1)
        return page.replace(BEGINS, LISTENS_TO_THE_PAGE + LISTENS_FOR_ESCAPE + BEGINS, 1)

    environment.loader = FunctionLoader(load)
