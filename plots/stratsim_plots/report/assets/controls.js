// What the reader does: policies, windows, requests, by pointer and by keyboard.
const at = (id) => document.getElementById(id);
const chart = at('chart');
const tip = at('tip');
const state = { run: 0, from: DATA.window[0], to: DATA.window[1], box: null, request: null, view: null };
const SHORTEST = 0.02 * MS;

const ends = DATA.runs.flatMap((run) => run.spans.flat());
const LONGEST = Math.max(1000 * MS, ...ends) - Math.min(0, ...ends);

// Times are typed and shown with as many digits as the window needs.
function show() {
  const places = Math.max(3, Math.min(7, 3 - Math.floor(Math.log10((state.to - state.from) * DATA.unit_s))));
  at('from').value = seconds(state.from).toFixed(places);
  at('to').value = seconds(state.to).toFixed(places);
  at('policy').value = state.run;
  at('problem').textContent = '';
  draw(chart, state);
}

function move(from, to) {
  const length = Math.min(Math.max(to - from, SHORTEST), LONGEST);
  const middle = (from + to) / 2;
  state.from = middle - length / 2;
  state.to = middle + length / 2;
  show();
}

const pan = (share) => move(state.from + share * (state.to - state.from), state.to + share * (state.to - state.from));

// Zoom about a moment that stays where it is.
function zoom(factor, about) {
  const fixed = about === undefined ? (state.from + state.to) / 2 : about;
  const length = Math.min(Math.max((state.to - state.from) * factor, SHORTEST), LONGEST);
  const share = (fixed - state.from) / (state.to - state.from);
  move(fixed - share * length, fixed + (1 - share) * length);
}

function choose(box) {
  state.box = box;
  at('details').textContent = box === null ? 'Point at a box, or step through them with n and p.' : describe(DATA.runs[state.run], box);
}

function choosePolicy(number) {
  state.run = number;
  const request = DATA.requests[state.request];
  if (request && request.run !== number) chooseRequest(null);
  choose(null);
  show();
}

function chooseRequest(place) {
  for (const element of document.querySelectorAll('.request.chosen')) element.classList.remove('chosen');
  state.request = place;
  if (place !== null) at(`request-${place}`).classList.add('chosen');
}

// Moves to a request: all of its time, and a bit of what was around it.
function showRequest(place) {
  const request = DATA.requests[place];
  const run = DATA.runs[request.run];
  state.run = request.run;
  chooseRequest(place);
  const box = request.batch === null ? -1 : run.boxes.batch.findIndex(
    (batch, i) => run.batches.id[batch] === request.batch && run.rows[run.boxes.row[i]][1].startsWith('slot '));
  const last = Math.max(request.end, request.deadline === null ? request.end : request.deadline);
  const margin = Math.max(0.3 * (last - request.arrival), MS);
  choose(box < 0 ? null : box);
  at('details').textContent = request.says + (box < 0 ? '' : `. ${describe(run, box)}`);
  move(request.arrival - margin, last + margin);
  at('timeline').scrollIntoView({ block: 'start' });
  chart.focus({ preventScroll: true });
}

// The next or previous box of the window, slots first: by row, then by time.
function stepBox(direction) {
  const run = DATA.runs[state.run];
  const found = boxesIn(run, state.from, state.to).sort((a, b) => run.boxes.row[a] - run.boxes.row[b] || a - b);
  if (!found.length) return;
  const now = found.indexOf(state.box);
  choose(found[now < 0 ? (direction > 0 ? 0 : found.length - 1) : (now + direction + found.length) % found.length]);
  show();
}

const ACTIONS = {
  left: () => pan(-0.25),
  right: () => pan(0.25),
  in: () => zoom(0.5),
  out: () => zoom(2),
  reset: () => { choose(null); chooseRequest(null); move(DATA.window[0], DATA.window[1]); },
  next: () => stepBox(1),
  previous: () => stepBox(-1),
};
const KEYS = { ArrowLeft: 'left', ArrowRight: 'right', '+': 'in', '=': 'in', '-': 'out', _: 'out', 0: 'reset', n: 'next', p: 'previous' };

chart.addEventListener('keydown', (event) => {
  const action = ACTIONS[KEYS[event.key]];
  if (!action || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  action();
});

const moment = (event) => state.from + ((event.clientX - chart.getBoundingClientRect().left - state.view.left) / state.view.width) * (state.to - state.from);

chart.addEventListener('wheel', (event) => {
  if (document.activeElement !== chart && !event.ctrlKey) return; // the page scrolls
  event.preventDefault();
  zoom(event.deltaY < 0 ? 0.8 : 1.25, moment(event));
}, { passive: false });

let grip = null;
chart.addEventListener('pointerdown', (event) => {
  grip = { x: event.clientX, from: state.from, to: state.to, moved: false };
  chart.setPointerCapture(event.pointerId);
});
chart.addEventListener('pointermove', (event) => {
  if (grip) {
    const by = ((grip.x - event.clientX) / state.view.width) * (grip.to - grip.from);
    grip.moved = grip.moved || Math.abs(event.clientX - grip.x) > 3;
    if (grip.moved) { chart.classList.add('dragged'); tip.hidden = true; move(grip.from + by, grip.to + by); }
    return;
  }
  hover(event);
});
chart.addEventListener('pointerup', (event) => {
  const box = boxUnder(event);
  if (grip && !grip.moved && box !== null) { choose(box); show(); }
  grip = null;
  chart.classList.remove('dragged');
});
chart.addEventListener('pointercancel', () => { grip = null; chart.classList.remove('dragged'); });
chart.addEventListener('pointerleave', () => { tip.hidden = true; });

function boxUnder(event) {
  const found = document.elementsFromPoint(event.clientX, event.clientY).find((element) => element.dataset && element.dataset.box !== undefined);
  return found ? Number(found.dataset.box) : null;
}

function hover(event) {
  const box = boxUnder(event);
  tip.hidden = box === null;
  if (box === null) return;
  tip.textContent = describe(DATA.runs[state.run], box);
  tip.style.left = `${Math.max(4, Math.min(event.clientX + 12, innerWidth - tip.offsetWidth - 8))}px`;
  tip.style.top = `${event.clientY + 18 + tip.offsetHeight > innerHeight ? event.clientY - tip.offsetHeight - 10 : event.clientY + 18}px`;
}

at('window').addEventListener('submit', (event) => {
  event.preventDefault();
  const [from, to] = ['from', 'to'].map((id) => Number(at(id).value.trim() || NaN));
  if (!(from < to)) { at('problem').textContent = 'The window needs two times in seconds, the first before the second.'; return; }
  move(fromSeconds(from), fromSeconds(to));
});
at('policy').addEventListener('change', (event) => choosePolicy(Number(event.target.value)));
document.addEventListener('click', (event) => {
  const button = event.target.closest('button');
  if (!button) return;
  if (button.dataset.do) ACTIONS[button.dataset.do]();
  if (button.dataset.request !== undefined) showRequest(Number(button.dataset.request));
});
addEventListener('resize', () => draw(chart, state));

function listModels() {
  DATA.models.forEach((name, model) => {
    const entry = document.createElement('span');
    const sample = make('svg', { width: 14, height: 14, 'aria-hidden': 'true' });
    sample.append(make('rect', { width: 14, height: 14, fill: fill(model) }));
    entry.append(sample, name);
    at('models').append(entry);
  });
  for (const [name, colour] of [...CLASSES].reverse()) {
    const entry = document.createElement('span');
    const sample = make('svg', { width: 14, height: 14, 'aria-hidden': 'true' });
    sample.append(make('path', { d: 'M0,14V8H5V3H10V6H14V14Z', fill: colour }));
    entry.append(sample, `waiting, ${name}`);
    at('models').append(entry);
  }
}

if (DATA.runs.length) {
  listModels();
  show();
}
