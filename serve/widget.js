/* Nightschool's chat in a bubble: <script src="https://HOST/widget.js" data-bot="support" async></script>
   Asks nothing of anybody before it is opened, and of HOST alone then. See docs/widget.md. */
(() => {
  const script = document.currentScript;
  const origins = ORIGINS, words = WORDS;
  const home = new URL('.', script.src);
  const refuse = (why) => console.error(`Nightschool's widget is not shown: ${why}`);
  if (!origins.includes(location.origin)) return refuse(`${location.origin} is not in server.widget_origins.`);
  if (home.protocol !== 'https:' && !/^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(home.hostname)) {
    return refuse('over plain http a browser does not keep who its visitor is; use https.');
  }

  const label = script.dataset.label || words.label;
  const address = new URL('widget/', home);
  if (script.dataset.bot) address.searchParams.set('bot', script.dataset.bot);
  // Which talk it was, for the site's next page. It opens for the visitor alone to whom it belongs.
  const place = `nightschool ${address.href}`;
  const recall = () => { try { return localStorage.getItem(place); } catch { return null; } };
  const keep = (talk) => { try { localStorage.setItem(place, talk); } catch {} };

  const make = (name, attributes, ...inside) => {
    const element = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    element.append(...inside);
    return element;
  };
  const draw = (d) => {
    const element = (name) => document.createElementNS('http://www.w3.org/2000/svg', name);
    const svg = element('svg'), path = element('path');
    svg.setAttribute('viewBox', '0 0 24 24');
    svg.setAttribute('aria-hidden', 'true');
    path.setAttribute('d', d);
    svg.append(path);
    return svg;
  };
  const bubble = make('button', {type: 'button', class: 'bubble', 'aria-label': label, 'aria-expanded': 'false'},
    draw('M4 5h16v11H10l-5 4v-4H4z'));
  const leave = make('button', {type: 'button', class: 'leave', lang: words.code, 'aria-label': words.close},
    draw('M6 6l12 12M18 6L6 18'));
  const panel = make('div', {class: 'panel', role: 'dialog', 'aria-label': label},
    make('div', {class: 'bar'}, make('span', {}, label), leave));
  panel.hidden = true;

  let frame = null, isReady = false;
  const isOpen = () => !panel.hidden;
  // Keys that are pressed inside of the frame are its own: before it hears them the focus is where we do.
  const enter = () => (isReady ? frame : leave).focus();
  const open = () => {
    panel.hidden = false;
    if (!frame) {
      if (recall()) address.searchParams.set('c', recall());
      frame = make('iframe', {title: label, src: address.href, allow: 'clipboard-write'});
      panel.append(frame);
    }
    enter();
    // On a phone this hides the bubble, with which the focus would go.
    bubble.setAttribute('aria-expanded', 'true');
  };
  const close = () => {
    panel.hidden = true;
    bubble.setAttribute('aria-expanded', 'false');
    bubble.focus();
  };
  bubble.addEventListener('click', () => (isOpen() ? close() : open()));
  leave.addEventListener('click', close);
  // What the site itself does with the key comes first.
  addEventListener('keydown', (event) => {
    if (event.key === 'Escape' && isOpen() && !event.defaultPrevented) close();
  });
  addEventListener('message', (event) => {
    const isOurs = frame && event.source === frame.contentWindow && event.origin === home.origin;
    if (!isOurs) return;
    if (event.data.nightschool === 'ready') {
      isReady = true;
      if (isOpen() && inside.activeElement === leave) enter();
    }
    if (event.data.nightschool === 'close' && isOpen()) close();
    if (event.data.nightschool === 'at') keep(event.data.conversation);
  });

  const style = new CSSStyleSheet();
  style.replaceSync(`
    :host { all: initial; position: fixed; inset: auto 20px 20px auto; z-index: 2147483000; color-scheme: light dark; }
    button { border: 0; padding: 0; cursor: pointer; color: #fff; background: #236b4c; }
    button:focus-visible { outline: 3px solid #fff; outline-offset: -5px; }
    svg { display: block; margin: auto; fill: none; stroke: currentColor; stroke-width: 2; stroke-linecap: round; stroke-linejoin: round; }
    .bubble { width: 56px; height: 56px; border-radius: 50%; box-shadow: 0 4px 16px rgb(0 0 0 / .28); }
    .bubble svg { width: 28px; }
    .bubble:hover, .leave:hover { background: #1d573f; }
    .panel { position: fixed; right: 20px; bottom: 88px; width: min(400px, 100vw - 40px); height: min(640px, 100dvh - 108px);
      display: flex; flex-direction: column; overflow: hidden; border-radius: 16px; background: #f7f8f5;
      border: 1px solid rgb(128 140 132 / .5); box-shadow: 0 10px 40px rgb(0 0 0 / .3); }
    .panel[hidden] { display: none; }
    .bar { display: flex; align-items: center; padding-left: 16px; color: #fff; background: #236b4c;
      font: 600 15px/1.3 system-ui, sans-serif; }
    .bar span { flex: 1; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
    .leave { width: 44px; height: 44px; flex: none; }
    .leave svg { width: 20px; }
    iframe { flex: 1; width: 100%; border: 0; }
    @media (prefers-color-scheme: dark) { .panel { background: #0f1512; } }
    @media (prefers-reduced-motion: no-preference) {
      .panel { animation: rise .16s ease-out; }
      @keyframes rise { from { opacity: 0; transform: translateY(12px); } }
    }
    @media (max-width: 480px) {
      .panel { inset: 0; width: auto; height: auto; border: 0; border-radius: 0; }
      .bubble[aria-expanded=true] { display: none; }
    }`);
  // A label of the site's own is in the site's language.
  const widget = make('nightschool-widget', script.dataset.label ? {} : {lang: words.code});
  const inside = widget.attachShadow({mode: 'open'});
  inside.adoptedStyleSheets = [style];
  inside.append(panel, bubble);
  const show = () => { if (!document.querySelector('nightschool-widget')) document.body.append(widget); };
  if (document.body) show();
  else addEventListener('DOMContentLoaded', show);
})();
