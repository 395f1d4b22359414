"""What the chat page does in the browser where it stands in another site's frame (`serve.widget`), as a script."""

import json
from typing import Final

from serve.words.catalogue import SideWords

FRAME: Final = """() => {
  if (window.parent === window) return;
  document.documentElement.classList.add('ns-framed');
  const box = document.querySelector('#ns-box textarea');
  const enter = () => { if (document.hasFocus() && document.activeElement === document.body) box.focus(); };
  window.addEventListener('focus', enter);
  enter();
  window.parent.postMessage({nightschool: 'ready'}, '*');
  // A browser's own download from such a frame does not say who asks.
  document.addEventListener('click', async (event) => {
    const link = event.target.closest('a[download]');
    if (!link || link.protocol === 'blob:') return;
    event.preventDefault();
    const found = await fetch(link.href);
    if (!found.ok) return window.alert(DOWNLOAD_FAILED);
    const copy = document.createElement('a');
    copy.href = URL.createObjectURL(await found.blob());
    copy.download = 'my-chats.json';
    copy.click();
    URL.revokeObjectURL(copy.href);
  }, true);
}"""


def frame(words: SideWords) -> str:
    """Once, in another site's frame (`serve.widget`): who comes in writes at once."""
    return FRAME.replace("DOWNLOAD_FAILED", json.dumps(words.download_failed))
