'use strict';
// The board's page. The sheet has its own units (15,000 by 10,000), whatever its size on screen. Everything here is
// drawn from `strokes`, which is what the backend said, plus what this person is just drawing.

const WIDTH = 15000, HEIGHT = 10000, ERASER = 8, BATCH = 250;
const PENS = ['Ink', 'Red', 'Orange', 'Green', 'Sea', 'Blue', 'Violet', 'Pink', 'Eraser'];
const WIDTHS = [['Fine', 35, 5], ['Medium', 80, 10], ['Broad', 190, 17]];
const $ = id => document.getElementById(id);
const canvas = $('canvas'), paint = canvas.getContext('2d');
const dark = matchMedia('(prefers-color-scheme: dark)');

const strokes = new Map();   // "by:id" -> { c, w, p: [x, y, …], drawn }
const people = new Map();    // id -> { id, name, color, verified, at, element }
let me = 0, socket = null, maxStroke = 4000, ended = false;

// ---- small things ----

function stored(name, value) {
  // Storage may be forbidden (private windows, framed pages); the board works without.
  try { return value === undefined ? localStorage.getItem(name) : localStorage.setItem(name, value); } catch { return null; }
}
function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}
function svg(path) {
  const element = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
  element.setAttribute('viewBox', '0 0 24 24');
  element.setAttribute('aria-hidden', 'true');
  for (const d of path) {
    const line = document.createElementNS('http://www.w3.org/2000/svg', 'path');
    line.setAttribute('d', d);
    element.append(line);
  }
  return element;
}
const initials = name => [...name.trim().split(/\s+/).map(w => [...w][0]).filter(Boolean)].slice(0, 2).join('').toUpperCase();
const hue = person => `var(--pen-${person.color + 1})`;
const news = text => { $('news').textContent = text; };

function ownName() {
  const kept = stored('board-name');
  if (kept) return kept;
  const pick = list => list[Math.floor(Math.random() * list.length)];
  const name = pick(['Quiet', 'Swift', 'Amber', 'Clever', 'Mellow', 'Bright', 'Early', 'Gentle']) + ' ' +
    pick(['Heron', 'Otter', 'Lynx', 'Wren', 'Badger', 'Finch', 'Hare', 'Marten']);
  stored('board-name', name);
  return name;
}

// ---- drawing ----

let ink = [], scale = 1;
function readTheme() {
  const style = getComputedStyle(document.documentElement);
  ink = PENS.map((_, i) => i === ERASER ? '#000' : style.getPropertyValue(`--pen-${i}`).trim());
}
function fit() {
  const box = canvas.getBoundingClientRect(), ratio = Math.min(devicePixelRatio || 1, 3);
  canvas.width = Math.max(1, Math.round(box.width * ratio));
  canvas.height = Math.max(1, Math.round(box.height * ratio));
  scale = canvas.width / WIDTH;
  redraw();
  for (const person of people.values()) place(person);
}
function prepare(target, stroke, factor) {
  target.globalCompositeOperation = stroke.c === ERASER ? 'destination-out' : 'source-over';
  target.strokeStyle = target.fillStyle = ink[stroke.c];
  target.lineWidth = stroke.w * (stroke.c === ERASER ? 3 : 1) * factor;
  target.lineCap = target.lineJoin = 'round';
}
// Draws the points from `from` on: through the middles between points, which makes a smooth line of a ragged one. The last
// half segment follows when the next point, or the end, is known.
function draw(target, stroke, factor, from, last) {
  const p = stroke.p, n = p.length / 2;
  prepare(target, stroke, factor);
  if (n === 1) {
    if (from > 0) return;
    target.beginPath();
    target.arc(p[0] * factor, p[1] * factor, target.lineWidth / 2, 0, 7);
    target.fill();
    return;
  }
  target.beginPath();
  const i = Math.max(1, from);
  const mid = k => [(p[2 * k - 2] + p[2 * k]) / 2 * factor, (p[2 * k - 1] + p[2 * k + 1]) / 2 * factor];
  if (i === 1) target.moveTo(p[0] * factor, p[1] * factor); else target.moveTo(...mid(i - 1));
  if (i === 1) target.lineTo(...mid(1));
  for (let k = Math.max(2, i); k < n; k++) target.quadraticCurveTo(p[2 * k - 2] * factor, p[2 * k - 1] * factor, ...mid(k));
  if (last) target.lineTo(p[2 * n - 2] * factor, p[2 * n - 1] * factor);
  target.stroke();
}
function advance(stroke, last = false) {
  draw(paint, stroke, scale, stroke.drawn, last);
  stroke.drawn = stroke.p.length / 2;
}
// A line drawn in pieces shows its joints where edges were blended twice; drawn again in one go it doesn't. Not worth it on a crowded sheet.
function finish(stroke) {
  advance(stroke, true);
  if (strokes.size < 1500) redrawSoon();
}
function redraw() {
  paint.clearRect(0, 0, canvas.width, canvas.height);
  for (const stroke of strokes.values()) { draw(paint, stroke, scale, 0, true); stroke.drawn = stroke.p.length / 2; }
  paint.globalCompositeOperation = 'source-over';
  $('hint').classList.toggle('gone', strokes.size > 0);
}
// Many strokes dropped or learned in one moment are drawn once.
let pending = false;
function redrawSoon() {
  if (pending) return;
  pending = true;
  requestAnimationFrame(() => { pending = false; redraw(); });
}
function picture() {
  const width = 2400, height = width * HEIGHT / WIDTH;
  const layer = make('canvas'), sheet = make('canvas');
  layer.width = sheet.width = width;
  layer.height = sheet.height = height;
  const target = layer.getContext('2d');
  for (const stroke of strokes.values()) draw(target, stroke, width / WIDTH, 0, true);
  const under = sheet.getContext('2d');
  under.fillStyle = getComputedStyle(document.documentElement).getPropertyValue('--paper').trim();
  under.fillRect(0, 0, width, height);
  under.drawImage(layer, 0, 0);
  sheet.toBlob(blob => {
    const address = URL.createObjectURL(blob);
    make('a', { href: address, download: 'board.png' }).click();
    setTimeout(() => URL.revokeObjectURL(address), 1000);
  });
}

// ---- people ----

function place(person) {
  if (!person.at || person.id === me) {
    person.element?.remove();
    person.element = null;
    return;
  }
  if (!person.element) {
    person.element = make('div', { class: 'cursor' }, svg(['M3 2 L20 11 L12 13.5 L8.5 21 Z']), make('span'));
    $('cursors').append(person.element);
  }
  person.element.style.setProperty('--who', hue(person));
  person.element.lastChild.textContent = person.name;
  const box = canvas.getBoundingClientRect();
  person.element.style.transform = `translate(${person.at[0] / WIDTH * box.width}px, ${person.at[1] / HEIGHT * box.height}px)`;
}
function face(person) {
  const element = make('span', { class: 'face', 'aria-hidden': 'true' }, initials(person.name));
  element.style.setProperty('--who', hue(person));
  return element;
}
function showPeople() {
  const all = [...people.values()].sort((a, b) => (b.id === me) - (a.id === me) || a.id - b.id);
  $('count').textContent = all.length;
  $('people').replaceChildren(...all.map(person => {
    const item = make('li', { 'data-person': person.id }, face(person), make('span', { class: 'who', title: person.name }, person.name));
    if (person.verified) {
      const tick = svg(['m4 12.5 5.5 5.5L20 6.5']);
      tick.classList.add('tick');
      item.append(tick, make('span', { class: 'unseen' }, 'verified'));
    }
    if (person.id === me) item.append(make('span', { class: 'tag' }, 'you'));
    return item;
  }));
  const faces = all.slice(0, 6).map(person => make('li', {}, face(person)));
  if (all.length > 6) faces.push(make('li', {}, make('span', { class: 'face more' }, `+${all.length - 6}`)));
  $('faces').replaceChildren(...faces);
  const own = people.get(me);
  $('rename').hidden = !own || own.verified;
  if (own && document.activeElement !== $('name')) $('name').value = own.name;
}
$('rename').addEventListener('submit', event => { event.preventDefault(); $('name').blur(); });
$('name').addEventListener('change', () => {
  const name = $('name').value.trim();
  if (!name) { $('name').value = people.get(me)?.name ?? ''; return; }
  stored('board-name', name);
  say({ t: 'name', name });
});

// ---- what the backend says ----

const hear = {
  welcome(m) {
    me = m.you;
    maxStroke = m.maxStroke;
    current = null;
    strokes.clear();
    people.forEach(p => p.element?.remove());
    people.clear();
    for (const peer of m.peers) people.set(peer.id, peer);
    $('title').textContent = m.key || m.backend || 'local';
    document.title = `Board / ${m.key || m.backend || 'local'}`;
    $('backend').textContent = m.backend || '–';
    $('key').textContent = m.key || '–';
    $('token').textContent = m.token || '–';
    attempt = 0;
    clearTimeout(patience);
    state('live', 'Live');
    showPeople();
    redrawSoon();
  },
  strokes(m) {
    for (const s of m.s) strokes.set(`${s.by}:${s.id}`, { c: s.c, w: s.w, p: s.p, drawn: 0 });
    redrawSoon();
  },
  peer({ peer }) {
    const known = people.get(peer.id);
    people.set(peer.id, { ...known, ...peer });
    if (!known) news(`${peer.name} is here`);
    showPeople();
    place(people.get(peer.id));
  },
  leave({ id }) {
    const person = people.get(id);
    if (!person) return;
    person.element?.remove();
    people.delete(id);
    news(`${person.name} left`);
    showPeople();
  },
  start(m) { begin(`${m.by}:${m.id}`, m.c, m.w, m.x, m.y); },
  points(m) {
    const stroke = strokes.get(`${m.by}:${m.id}`);
    if (!stroke) return;
    for (const v of m.p) stroke.p.push(v);
    advance(stroke);
  },
  end(m) {
    const stroke = strokes.get(`${m.by}:${m.id}`);
    if (stroke) finish(stroke);
  },
  drop(m) {
    for (const [by, id] of m.s) {
      strokes.delete(`${by}:${id}`);
      if (current && by === me && id === current.id) current = null;
    }
    redrawSoon();
  },
  clear({ by }) {
    strokes.clear();
    current = null;
    redrawSoon();
    news(by === me ? 'Board cleared' : `${people.get(by)?.name ?? 'Someone'} cleared the board`);
  },
  cursors(m) {
    for (const [id, x, y] of m.c) {
      const person = people.get(id);
      if (!person) continue;
      person.at = x === undefined ? null : [x, y];
      place(person);
    }
  },
};

// ---- connection ----

// A browser bounds neither a WebSocket's handshake nor the wait for its first message; a network that swallows either must not hold the page forever.
const PATIENCE = 15000;
let attempt = 0, retry = 0, patience = 0;
function state(name, text) {
  document.body.dataset.state = name;
  $('state-text').textContent = text;
  for (const id of ['undo', 'clear']) $(id).disabled = name !== 'live';
}
function say(message) {
  if (socket?.readyState === WebSocket.OPEN) socket.send(JSON.stringify(message));
}
function connect() {
  clearTimeout(retry);
  if (ended) return;
  state('connecting', attempt ? 'Reconnecting' : 'Connecting');
  const address = new URL('ws', location.href);
  address.protocol = address.protocol === 'https:' ? 'wss:' : 'ws:';
  const mine = socket = new WebSocket(address);
  mine.onopen = () => mine.send(JSON.stringify({ t: 'hello', name: ownName() }));
  mine.onmessage = event => { const m = JSON.parse(event.data); hear[m.t]?.(m); };
  mine.onclose = event => { if (mine === socket) lost(event); };
  patience = setTimeout(() => {
    if (mine !== socket) return;
    lost({ code: 1006 });
    mine.close();
  }, PATIENCE);
}
async function lost(event) {
  clearTimeout(patience);
  current = null;
  socket = null;
  if (ended) return;
  const full = event.code === 1013;
  // A WebSocket doesn't tell its status; the same address, asked over HTTP, does. 410: the session is over, for good.
  state('waiting', full ? 'Board is full' : 'Connection lost');
  try {
    const answer = await fetch('healthz', { cache: 'no-store', signal: AbortSignal.timeout(5000) });
    if (answer.status === 410) return end();
  } catch { /* Not reachable: that is what the next attempt is for. */ }
  if (socket) return;
  const wait = Math.min(10000, (full ? 4000 : 400) * 2 ** attempt++) * (.6 + Math.random() * .4);
  retry = setTimeout(connect, wait);
}
function end() {
  ended = true;
  state('ended', 'Session ended');
  $('veil').hidden = false;
  $('veil-save').hidden = strokes.size === 0;
  for (const part of document.querySelectorAll('.top, .desk')) part.inert = true;
  $('veil-save').focus();
}
addEventListener('online', () => { if (!socket) { attempt = 0; connect(); } });
document.addEventListener('visibilitychange', () => { if (!document.hidden && !socket) { attempt = 0; connect(); } });

// ---- pens ----

let pen = 0, width = 1;
function radios(group, items, choose) {
  const buttons = items.map((content, i) => {
    const button = make('button', { type: 'button', role: 'radio', ...content.attributes }, content.inside);
    button.addEventListener('click', () => choose(i));
    return button;
  });
  group.addEventListener('keydown', event => {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const next = (buttons.indexOf(document.activeElement) + step + buttons.length) % buttons.length;
    choose(next);
    buttons[next].focus();
  });
  group.append(...buttons);
  return chosen => buttons.forEach((button, i) => {
    button.setAttribute('aria-checked', i === chosen);
    button.tabIndex = i === chosen ? 0 : -1;
  });
}
const showPen = radios($('pens'), PENS.map((name, i) => {
  if (i === ERASER) return { attributes: { class: 'pen eraser', 'aria-label': name, title: 'Eraser (E)' }, inside: svg(['m5 15 8-9 6 5.5L11.500 20H9Z', 'm9 10.500 6 5.500', 'M11 20h9']) };
  const dot = make('i');
  dot.style.setProperty('--ink', `var(--pen-${i})`);
  return { attributes: { class: 'pen', 'aria-label': name, title: `${name} (${i + 1})` }, inside: dot };
}), choosePen);
const showWidth = radios($('widths'), WIDTHS.map(([name, , size]) => {
  const dot = make('i');
  dot.style.setProperty('--d', `${size}px`);
  return { attributes: { class: 'width', 'aria-label': `${name} pen`, title: `${name} pen` }, inside: dot };
}), chooseWidth);
function choosePen(i) { lift(); pen = i; showPen(i); }
function chooseWidth(i) { lift(); width = i; showWidth(i); stored('board-width', i); }

$('undo').addEventListener('click', undo);
$('save').addEventListener('click', picture);
$('veil-save').addEventListener('click', picture);
function undo() { lift(); say({ t: 'undo' }); }

// Clearing takes everybody's work: the button asks once more, in its own place.
const clear = $('clear'), bin = [...clear.childNodes];
let sure = 0;
function calm() { clearTimeout(sure); sure = 0; clear.classList.remove('sure'); clear.setAttribute('aria-label', 'Clear the board for everyone'); clear.replaceChildren(...bin); }
clear.addEventListener('click', () => {
  if (sure) { calm(); lift(); say({ t: 'clear' }); return; }
  clear.classList.add('sure');
  clear.removeAttribute('aria-label');
  clear.replaceChildren('Clear for all?');
  sure = setTimeout(calm, 4000);
});
clear.addEventListener('blur', () => { if (sure) calm(); });

// ---- drawing by hand ----

let current = null, lastId = 0, queue = [], cursor = null, flushing = 0, told = 0;
function begin(key, c, w, x, y) {
  const stroke = { c, w, p: [x, y], drawn: 0 };
  strokes.set(key, stroke);
  $('hint').classList.add('gone');
  advance(stroke);
  return stroke;
}
function put(x, y) {
  if (document.body.dataset.state !== 'live') return;
  const id = ++lastId, w = WIDTHS[width][1];
  current = { id, stroke: begin(`${me}:${id}`, pen, w, x, y) };
  queue = [];
  say({ t: 'start', id, c: pen, w, x, y });
}
function move(x, y) {
  if (!current) return;
  const p = current.stroke.p, n = p.length;
  if (p[n - 2] === x && p[n - 1] === y) return;
  p.push(x, y);
  queue.push(x, y);
  advance(current.stroke);
  if (p.length / 2 >= maxStroke - BATCH) { lift(); put(x, y); return; }
  if (queue.length >= 2 * BATCH) flushPoints();
  soon();
}
function lift() {
  if (!current) return;
  flushPoints();
  finish(current.stroke);
  say({ t: 'end', id: current.id });
  current = null;
}
function flushPoints() {
  while (current && queue.length) say({ t: 'points', id: current.id, p: queue.splice(0, 2 * BATCH) });
}
// Points and cursor go out together, 25 times a second, however fast the hand or the screen is.
function soon() {
  if (flushing) return;
  flushing = setTimeout(() => {
    flushing = 0;
    told = performance.now();
    flushPoints();
    if (cursor) { say(cursor); cursor = null; }
  }, Math.max(0, 40 - (performance.now() - told)));
}
function point(x, y) { cursor = { t: 'cursor', x, y }; soon(); }
function where(event) {
  const box = canvas.getBoundingClientRect();
  const bound = (v, max) => Math.max(0, Math.min(max, Math.round(v)));
  return [bound((event.clientX - box.left) / box.width * WIDTH, WIDTH), bound((event.clientY - box.top) / box.height * HEIGHT, HEIGHT)];
}

let pointer = null;
canvas.addEventListener('pointerdown', event => {
  if (pointer !== null || event.button !== 0 && event.pointerType === 'mouse') return;
  event.preventDefault();
  canvas.focus({ preventScroll: true });
  crosshair(null);
  pointer = event.pointerId;
  canvas.setPointerCapture(pointer);
  const at = where(event);
  put(...at);
  point(...at);
});
canvas.addEventListener('pointermove', event => {
  if (pointer !== null && event.pointerId !== pointer) return;
  const at = where(event);
  if (pointer !== null) {
    // Cleared by someone under the pen: go on with a new stroke.
    if (!current) put(...at);
    const between = event.getCoalescedEvents?.() ?? [];
    for (const e of between.length ? between : [event]) move(...where(e));
  }
  point(...at);
});
function release(event) {
  if (event.pointerId !== pointer) return;
  lift();
  pointer = null;
  if (event.pointerType !== 'mouse') { cursor = { t: 'away' }; soon(); }
}
canvas.addEventListener('pointerup', release);
canvas.addEventListener('pointercancel', release);
canvas.addEventListener('pointerleave', () => { if (pointer === null) { cursor = { t: 'away' }; soon(); } });
canvas.addEventListener('contextmenu', event => event.preventDefault());

// ---- drawing by keyboard ----

let keys = null;   // where the crosshair is, once the arrows are used
function crosshair(at) {
  keys = at;
  const mark = $('crosshair');
  mark.hidden = !at;
  if (!at) return;
  mark.style.setProperty('--x', `${at[0] / WIDTH * 100}%`);
  mark.style.setProperty('--y', `${at[1] / HEIGHT * 100}%`);
  mark.classList.toggle('down', !!current);
}
canvas.addEventListener('keydown', event => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const arrow = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
  if (arrow) {
    event.preventDefault();
    const far = event.shiftKey ? 600 : 120, from = keys ?? [WIDTH / 2, HEIGHT / 2];
    const at = [Math.max(0, Math.min(WIDTH, from[0] + arrow[0] * far)), Math.max(0, Math.min(HEIGHT, from[1] + arrow[1] * far))];
    move(...at);
    crosshair(at);
    point(...at);
  } else if (event.key === ' ' || event.key === 'Enter') {
    event.preventDefault();
    if (event.repeat) return;
    const at = keys ?? [WIDTH / 2, HEIGHT / 2];
    if (current) { lift(); news('Pen up'); } else { put(...at); news('Pen down'); }
    crosshair(at);
  }
});
canvas.addEventListener('blur', () => { if (pointer === null) { lift(); crosshair(null); } });
addEventListener('keydown', event => {
  if (event.target instanceof HTMLInputElement) return;
  if ((event.ctrlKey || event.metaKey) && !event.shiftKey && event.key.toLowerCase() === 'z') { event.preventDefault(); undo(); return; }
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key >= '1' && event.key <= '8') choosePen(event.key - 1);
  else if (event.key === 'e' || event.key === 'E') choosePen(ERASER);
  else if (event.key === '[') chooseWidth(Math.max(0, width - 1));
  else if (event.key === ']') chooseWidth(Math.min(WIDTHS.length - 1, width + 1));
});

// ---- start ----

readTheme();
dark.addEventListener('change', () => { readTheme(); redraw(); });
const keptWidth = stored('board-width');
choosePen(0);
chooseWidth(keptWidth !== null && keptWidth >= 0 && keptWidth < WIDTHS.length ? Number(keptWidth) : 1);
new ResizeObserver(fit).observe(canvas);
connect();
