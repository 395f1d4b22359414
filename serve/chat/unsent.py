"""What a browser keeps of a question until it knows that it got through, as scripts for Gradio's events.

A page that is closed or loaded anew before its question was taken has it in the box again; the question's name
(`serve.chat.named`) lets nobody take it twice. One question of each conversation is kept, in the browser alone. Where
the browser keeps nothing, as in another site's frame, it lasts as long as the page.
"""

import json
from typing import Final

from serve.chat.trouble import draw_trouble
from serve.words.catalogue import TroubleWords

KEEP: Final = """window.nsUnsent ??= (() => {
  const place = (conversation) => `ns-unsent ${conversation}`;
  const kept = {};
  const read = (conversation) => {
    try { return JSON.parse(localStorage.getItem(place(conversation))); } catch { return kept[conversation] ?? null; }
  };
  const write = (conversation, question) => {
    kept[conversation] = question;
    try {
      if (question) localStorage.setItem(place(conversation), JSON.stringify(question));
      else localStorage.removeItem(place(conversation));
    } catch { /* This browser lets us keep nothing. */ }
  };
  // `crypto.randomUUID` is not there without TLS.
  const newName = () => {
    const bytes = [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, '0'));
    return bytes.join('').replace(/(.{8})(.{4})(.{4})(.{4})(.{12})/, '$1-$2-$3-$4-$5');
  };
  let at = null;
  const address = () => new URL(window.location.href);
  return {
    read,
    forget: (conversation) => { if (at !== conversation) write(conversation, null); },
    isLeaving: (conversation, question) => {
      const old = read(conversation);
      const isAgain = old && ['bot', 'text', 'edited'].every((part) => old[part] === question[part]);
      const name = isAgain ? old.name : newName();
      write(conversation, {...question, name, branch: address().searchParams.get('at') ?? ''});
      at = conversation;
      return name;
    },
    hasBegun: (conversation) => {
      if (at !== '' || !conversation) return;
      write(conversation, read(''));
      write('', null);
      at = conversation;
    },
    isOver: (isTaken) => {
      const question = at === null ? null : read(at);
      if (question && isTaken) write(at, null);
      else if (question?.branch) {
        const here = address();
        here.searchParams.set('at', question.branch);
        window.history.replaceState(null, '', here);
      }
      at = null;
    },
  };
})();"""
"""`isLeaving` gives the name under which a question leaves: where the same was not taken before, the same name.
`hasBegun` tells in which conversation one turned out to be that began it, and `isOver` whether it was taken."""
RETURN: Final = """(name, bot, box, isPrivate) => {
  const asked = window.nsUnsent.returned;
  delete window.nsUnsent.returned;
  if (asked && !name) window.nsUnsent.forget(asked.conversation);
  if (!name || asked?.bot !== bot) return [box, '', isPrivate];
  if (asked.edited) document.querySelector('#ns-app').dataset.edited = asked.edited;
  return [[asked.text, box].filter(Boolean).join('\\n'), TOLD, isPrivate || asked.isPrivate];
}"""
"""question, bot, box, is_private -> box, trouble, is_private: after a reload, with what did not get through."""


def give_back(words: TroubleWords) -> str:
    return RETURN.replace("TOLD", json.dumps(draw_trouble(words.unsent, is_unasked=True)))
