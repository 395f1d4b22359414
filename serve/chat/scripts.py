"""What the chat page does in the browser by itself, as scripts for Gradio's events.

The page's state while an answer comes (text on its way, which button) is the browser's own affair: asking the server
for it would cost more than the answer. Nothing that a person or a model wrote is put into a script.
"""

import json
from typing import Final

from serve.chat.trouble import UNASKED, WAITING, draw_trouble
from serve.chat.unsent import KEEP
from serve.words.catalogue import TroubleWords, Words

READ_ADDRESS: Final = f"""() => {{
  {KEEP}
  const address = new URLSearchParams(window.location.search);
  const [bot, conversation, branch] = ['bot', 'c', 'at'].map((name) => address.get(name) ?? '');
  const kept = window.nsUnsent.read(conversation);
  const asked = window.nsUnsent.returned = kept && (!bot || kept.bot === bot) ? {{...kept, conversation}} : null;
  return [bot, conversation, branch || (asked?.branch ?? ''), asked?.name ?? ''];
}}"""
"""-> place, question: with what was on its way when the page was left."""
WRITE_ADDRESS: Final = """(bot, conversation) => {
  window.nsUnsent.hasBegun(conversation);
  // Another site's frame is opened anew with each of its pages, and its browser lets us keep nothing there.
  if (window.parent !== window) window.parent.postMessage({nightschool: 'at', conversation}, '*');
  const address = new URL(window.location.href);
  bot ? address.searchParams.set('bot', bot) : address.searchParams.delete('bot');
  if ((address.searchParams.get('c') ?? '') !== conversation) address.searchParams.delete('at');
  conversation ? address.searchParams.set('c', conversation) : address.searchParams.delete('c');
  window.history.replaceState(null, '', address);
}"""
STAY: Final = """(shown) => {
  const address = new URL(window.location.href);
  address.searchParams.set('at', shown.trim().split(' ').at(-1));
  window.history.replaceState(null, '', address);
}"""
"""A branch that somebody turned to, or begins, is there after a reload too, until something is asked in it."""
TOGGLE_SIDE: Final = """() => {
  const app = document.querySelector('#ns-app');
  app.dataset.side = app.dataset.side === 'open' ? 'closed' : 'open';
}"""
CLOSE_SIDE: Final = "() => { document.querySelector('#ns-app').dataset.side = 'closed'; }"
WRITE_ON: Final = """() => {
  if (document.activeElement === document.body && window.matchMedia('(pointer: fine)').matches)
    document.querySelector('#ns-box textarea').focus();
}"""
"""Where a button took the focus along: to the box, but on a phone, where its keys would rise."""
TURN: Final = "(bot, conversation) => [bot, conversation, document.querySelector('#ns-app').dataset.turn]"
"""place -> place, with the id that `LISTEN` found on the arrow or the deed in place of what is shown."""

_SHOWN: Final = "(is_shown) => ({__type__: 'update', visible: is_shown})"
_IS_ANSWERING: Final = "document.querySelector('#ns-stop')?.offsetParent"
_IS_BUSY: Final = "document.querySelector('#ns-app').dispatchEvent(new Event('ns-busy'))"
QUIET_MS: Final = 25_000
"""After so long without a word or a key the page asks what came of the talk."""

SEND: Final = f"""(text, bot, conversation, isPrivate) => {{
  if (!text.trim() || {_IS_ANSWERING}) throw new Error('nothing is sent');
  const shown = {_SHOWN}, app = document.querySelector('#ns-app'), edited = app.dataset.edited ?? '';
  if (!('opened' in app.dataset)) {{
    // Whose talk this is, the server has not told yet: what it tells would lie over the question.
    app.dataset.eager = '';
    throw new Error('not yet');
  }}
  const name = window.nsUnsent.isLeaving(conversation, {{bot, text, edited, isPrivate}});
  {_IS_BUSY};
  return [text, name, edited, '', '{WAITING}', shown(false), shown(true)];
}}"""
"""box, bot, conversation, is_private -> asked, question, edited, box, trouble, send, stop. What is thrown ends it; what
is sent before the page is open waits for that in the box (`LISTEN`)."""
BEGIN: Final = f"() => {{ const shown = {_SHOWN}; {_IS_BUSY}; return ['', '{WAITING}', shown(false), shown(true)]; }}"
"""-> asked, trouble, send, stop: an answer comes to something that is not in the box."""
END: Final = f"""(asked, trouble, box) => {{
  {_IS_BUSY};
  window.nsUnsent.isOver(!trouble.includes('{UNASKED}'));
  if (!trouble) delete document.querySelector('#ns-app').dataset.edited;
  return ['', trouble ? [asked, box].filter(Boolean).join('\\n') : box, trouble];
}}"""
"""asked, trouble, box -> asked, box, trouble: what could not be answered is back in the box."""
REST: Final = f"() => {{ const shown = {_SHOWN}; return [shown(true), shown(false)]; }}"
"""-> send, stop: no answer is coming, whatever became of the page."""
IF_REACHED: Final = """async (...given) => {
  // A server on the same machine is reached without any network.
  const reach = () => fetch('healthz', {method: 'HEAD', cache: 'no-store'}).then(() => true, () => false);
  const isOffline = !navigator.onLine && !(await reach());
  document.querySelector('#ns-app').toggleAttribute('data-offline', isOffline);
  if (isOffline) throw new Error('offline');
  return given;
}"""
"""Any -> the same. Where an event fails on its way Gradio takes no other until it has loaded the page anew; what is
thrown here fails alone."""
UNLESS_OFFLINE: Final = """(...given) => {
  if (document.querySelector('#ns-app').hasAttribute('data-offline')) throw new Error('offline');
  return given;
}"""
"""Any -> the same, after `IF_REACHED`: where nothing could be asked, nothing is to be read anew."""

LISTEN: Final = """() => {
  const words = WORDS;
  const name = (id, label) => document.querySelector(id)?.setAttribute('aria-label', label);
  name('#ns-toggle', words.conversations);
  const app = document.querySelector('#ns-app');
  const chat = document.querySelector('#ns-chat');
  const box = document.querySelector('#ns-box textarea, #ns-box input');
  const fill = (text) => {
    box.value = text;
    box.dispatchEvent(new Event('input', {bubbles: true}));
    box.focus();
  };
  const tell = (kind, of) => navigator.sendBeacon('deeds', JSON.stringify({kind, of}));
  const stopEditing = () => {
    if (app.dataset.edited) fill('');
    delete app.dataset.edited;
  };
  chat.addEventListener('click', (event) => {
    const button = event.target.closest('.ns-arrow, .ns-deed');
    const to = /ns-to-(\\S+)/.exec(button?.className)?.[1];
    if (!to) return;
    const said = button.closest('.ns-said');
    if (button.matches('.ns-edit')) {
      app.dataset.edited = to;
      fill(said.querySelector('.ns-asked').textContent);
    } else if (button.matches('.ns-copy')) {
      navigator.clipboard?.writeText(said.querySelector('.ns-answer').innerText).then(() => {
        tell('copy', to);
        button.textContent = words.copied;
        setTimeout(() => { button.textContent = words.copy; }, 2000);
      });
    } else if (button.matches('.ns-today')) {
      // Its question once more, beside the first: whoever is live now answers.
      const asked = [...chat.querySelectorAll('.ns-edit')].filter((edit) =>
        edit.compareDocumentPosition(button) & Node.DOCUMENT_POSITION_FOLLOWING);
      asked.at(-1).click();
      setTimeout(() => document.querySelector('#ns-send').click());
    } else {
      stopEditing();
      app.dataset.turn = to;
      document.querySelector(button.matches('.ns-branch') ? '#ns-fork' : '#ns-turn').click();
    }
  });
  chat.addEventListener('copy', () => {
    const selected = document.getSelection();
    chat.querySelectorAll('.ns-copy').forEach((button) => {
      const answer = button.closest('.ns-said').querySelector('.ns-answer');
      const isCopied = !selected.isCollapsed && selected.containsNode(answer, true);
      if (isCopied) tell('copy', /ns-to-(\\S+)/.exec(button.className)[1]);
    });
  });
  let hasStopped = false;
  app.addEventListener('ns-busy', () => {
    hasStopped = false;
    const address = new URL(window.location.href);
    address.searchParams.delete('at');
    window.history.replaceState(null, '', address);
  });
  document.addEventListener('click', (event) => { hasStopped ||= Boolean(event.target.closest('#ns-stop')); }, true);
  window.addEventListener('pagehide', () => {
    const left = new URLSearchParams(window.location.search).get('c');
    if (left && !hasStopped && document.querySelector('#ns-stop')?.offsetParent) tell('abandon', left);
  });
  let quiet;
  const isBusy = () => {
    delete app.dataset.quiet;
    clearTimeout(quiet);
    quiet = setTimeout(() => { app.dataset.quiet = ''; }, QUIET_MS);
  };
  app.addEventListener('ns-busy', isBusy);
  box.addEventListener('input', () => {
    isBusy();
    if (!box.value) window.nsUnsent.forget(new URLSearchParams(window.location.search).get('c') ?? '');
  });
  isBusy();
  document.querySelector('#ns-editing .ns-cancel').addEventListener('click', stopEditing);
  // Gradio labels each message with its source, which would be read out in place of the message, calls the starters a
  // list, of which no button is an item, and has no words but English for some of what can be heard.
  const relabel = () => {
    chat.querySelectorAll('[data-testid][aria-label*="message: "]')
      .forEach((message) => message.removeAttribute('aria-label'));
    chat.querySelectorAll('.examples[role=list]').forEach((starters) => {
      starters.setAttribute('role', 'group');
      starters.setAttribute('aria-label', words.starters);
    });
    Object.entries(words.labels).filter(([theirs, ours]) => ours !== theirs).forEach(([theirs, ours]) => {
      chat.querySelectorAll(`[aria-label="${theirs}"]`).forEach((element) => {
        element.setAttribute('aria-label', ours);
        if (element.title) element.title = ours;
      });
    });
    const {Liked, Disliked} = words.labels;
    chat.querySelectorAll('.message-buttons button').forEach((button) => {
      button.toggleAttribute('data-pressed', [Liked, Disliked].includes(button.getAttribute('aria-label')));
    });
  };
  // The card takes its room from the talk, and what it asks about would be out of sight: a thumb that is drawn has
  // Gradio scroll to the end of the talk 0.3 s later.
  let explained;
  new ResizeObserver(() => {
    const isOpen = document.querySelector('#ns-card')?.offsetParent;
    const about = isOpen ? document.querySelector('#ns-explained textarea').value : '';
    if (about && about !== explained) setTimeout(() => {
      const said = chat.querySelector(`.ns-to-${about}`)?.closest('.ns-said');
      said?.querySelector('.ns-answer').scrollIntoView({block: 'nearest'});
    }, 400);
    explained = about;
  }).observe(chat);
  new MutationObserver(relabel).observe(chat, {subtree: true, childList: true, attributeFilter: ['aria-label']});
  relabel();
  // Its small windows speak English, and what is chosen from a list bears the value that we keep as a second name.
  const retell = () => {
    document.querySelectorAll('[data-testid=toast-body] *').forEach((element) => element.childNodes.forEach((node) => {
      const ours = node.nodeType === Node.TEXT_NODE && words.toasts[node.data.trim()];
      if (ours) node.data = `${ours} `;
    }));
    document.querySelectorAll('[data-testid=toast-close]')
      .forEach((button) => button.setAttribute('aria-label', words.close));
    app.querySelectorAll('label > input[title]').forEach((input) => input.removeAttribute('title'));
  };
  new MutationObserver(retell).observe(document.body, {subtree: true, childList: true});
  const handed = document.querySelector('#ns-human-state');
  const language = navigator.languages.find((one) => one.split('-')[0] === words.code) ?? words.code;
  const onOwnClock = () => handed.querySelectorAll('time:not([data-own])').forEach((told) => {
    const at = new Date(told.dateTime);
    const isToday = at.toDateString() === new Date().toDateString();
    const clock = at.toLocaleTimeString(language, {hour: '2-digit', minute: '2-digit'});
    told.textContent = (isToday ? words.at : words.on)
      .replace('{date}', at.toLocaleDateString(language)).replace('{clock}', clock);
    told.dataset.own = '';
  });
  new MutationObserver(onOwnClock).observe(handed, {subtree: true, childList: true});
  onOwnClock();
  const side = document.querySelector('#ns-side');
  side.addEventListener('click', stopEditing);
  const close = (event) => {
    const is_inside = side.contains(event.target) || event.target.closest('#ns-toggle');
    if (event.key === 'Escape' || (event.type === 'click' && !is_inside)) app.dataset.side = 'closed';
  };
  document.addEventListener('click', close);
  document.addEventListener('keydown', close);
  app.dataset.opened = '';
  if ('eager' in app.dataset) setTimeout(() => document.querySelector('#ns-send').click());
}"""


def fail(words: TroubleWords) -> str:
    """As `END`, after a failure that the server could not tell of."""
    unasked, unknown = (json.dumps(draw_trouble(words.unknown, is_unasked=is_unasked)) for is_unasked in (True, False))
    offline = json.dumps(draw_trouble(words.offline, is_unasked=True))
    why = f"document.querySelector('#ns-app').hasAttribute('data-offline') ? {offline} : {unasked}"
    return f"(asked, trouble, box) => ({END})(asked, trouble.includes('{UNASKED}') ? {why} : trouble || {unknown}, box)"


def listen(words: Words) -> str:
    """Once, when the page is there: what can be done with a message, what is heard of it, ways out of the drawer."""
    spoken = {
        "code": words.code,
        "conversations": words.page.conversations,
        "starters": words.page.starters,
        "copy": words.line.copy,
        "copied": words.line.copied,
        "at": words.human.at,
        "on": words.human.on,
        # What Gradio says in English, whatever language it shows itself in.
        "labels": {
            "Liked": words.line.liked,
            "Disliked": words.line.disliked,
            "chatbot conversation": words.page.talk,
            "Loading response": words.page.loading,
            "Scroll down": words.page.scroll_down,
        },
        "toasts": {
            "Error": words.trouble.error,
            "Info": words.trouble.info,
            "Connection errored out.": words.trouble.lost,
            "Connection to the server was lost. Attempting reconnection...": words.trouble.lost,
            "This application is currently busy. Please try again.": words.trouble.unknown,
        },
        "close": words.trouble.close,
    }
    return LISTEN.replace("WORDS", json.dumps(spoken)).replace("QUIET_MS", str(QUIET_MS))
