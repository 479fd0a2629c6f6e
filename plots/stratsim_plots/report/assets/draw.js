// Draws a window as SVG. Text from the data is set as text, never as markup.
const FILLS = ['#56B4E9', '#E69F00', '#009E73', '#CC79A7', '#F0E442', '#0072B2', '#D55E00', '#b0b0b0'];
const CLASSES = [['low', '#E69F00'], ['high', '#0072B2']];
const NS = 'http://www.w3.org/2000/svg';
const ROW = 22;
const TOP = 8;
const WAITING = 54; // height of the panel of waiting requests
const AXIS = 34;
const GAP = 10;

function make(name, attributes, text) {
  const element = document.createElementNS(NS, name);
  for (const key in attributes) element.setAttribute(key, attributes[key]);
  if (text !== undefined) element.textContent = text;
  return element;
}

// Fill of a model: from the ninth on, the colours come again with stripes.
function fill(model) {
  return model < FILLS.length ? FILLS[model] : `url(#stripes-${model})`;
}

function patterns() {
  const definitions = make('defs', {});
  const left = make('pattern', { id: 'left-out', width: 6, height: 6, patternUnits: 'userSpaceOnUse', patternTransform: 'rotate(45)' });
  left.append(make('rect', { class: 'hatch', width: 6, height: 6 }), make('rect', { class: 'stripe', width: 1.5, height: 6 }));
  definitions.append(left);
  for (let model = FILLS.length; model < DATA.models.length; model++) {
    const turn = 45 + 60 * Math.floor(model / FILLS.length - 1);
    const pattern = make('pattern', { id: `stripes-${model}`, width: 5, height: 5, patternUnits: 'userSpaceOnUse', patternTransform: `rotate(${turn})` });
    pattern.append(make('rect', { width: 5, height: 5, fill: FILLS[model % FILLS.length] }), make('rect', { width: 1.6, height: 5, fill: '#fff' }));
    definitions.append(pattern);
  }
  return definitions;
}

// Steps of 1, 2 or 5 times a power of ten, about one in 90 pixels.
function step(span, width) {
  const rough = (span / Math.max(width, 1)) * 90;
  const power = 10 ** Math.floor(Math.log10(rough));
  return [1, 2, 5, 10].map((factor) => factor * power).find((found) => found >= rough) || 10 * power;
}

function drawAxis(svg, view, height) {
  const { from, to, x, left, width } = view;
  const size = step((to - from) / MS, width) * MS;
  // Labels count from a round moment before the window: those of a long run would all begin alike.
  const places = Math.max(0, Math.min(6, -Math.floor(Math.log10((to - from) * DATA.unit_s)) ));
  const base = Math.floor(seconds(from) * 10 ** places + 1e-6) / 10 ** places;
  const first = fromSeconds(base);
  for (let k = Math.ceil((from - first) / size - 1e-9); first + k * size <= to; k++) {
    const at = x(first + k * size);
    svg.append(make('line', { x1: at, x2: at, y1: TOP, y2: height - AXIS, class: 'grid' }));
    svg.append(make('text', { x: at, y: height - AXIS + 14, 'text-anchor': 'middle' }, digits((k * size) / MS, 4)));
  }
  svg.append(make('text', { x: left + width, y: height - 5, 'text-anchor': 'end' }, `ms after ${base.toFixed(places)} s`));
}

// Where the page holds nothing.
function drawLeftOut(svg, view, run, height) {
  let at = view.from;
  for (const [from, to] of [...run.spans, [view.to, view.to]]) {
    const end = Math.min(from, view.to);
    if (end > at) {
      const [a, b] = [view.x(at), view.x(end)];
      svg.append(make('rect', { class: 'left-out', x: a, y: TOP, width: b - a, height: height - AXIS - TOP, fill: 'url(#left-out)' }));
    }
    at = Math.max(at, to);
  }
}

function drawWaiting(svg, view, run) {
  const bottom = TOP + WAITING;
  const { at, high, low } = run.waiting;
  const y = (count) => bottom - (count / run.most) * (WAITING - 6);
  for (const [name, colour] of CLASSES) {
    for (const [from, to] of run.spans) {
      if (to < view.from || from > view.to) continue;
      const [a, b] = [Math.max(from, view.from), Math.min(to, view.to)];
      const count = (i) => (i < 0 || i >= at.length ? 0 : high[i] + (name === 'low' ? low[i] : 0));
      let i = firstNotBelow(at, a + 1) - 1;
      let path = `M${view.x(a).toFixed(1)},${bottom}V${y(count(i)).toFixed(1)}`;
      for (i++; i < at.length && at[i] <= b; i++) path += `H${view.x(at[i]).toFixed(1)}V${y(count(i)).toFixed(1)}`;
      svg.append(make('path', { class: 'waiting', d: `${path}H${view.x(b).toFixed(1)}V${bottom}Z`, fill: colour }));
    }
  }
  svg.append(make('text', { x: view.left - 6, y: TOP + 10, 'text-anchor': 'end' }, `${run.most} waiting`));
  svg.append(make('text', { x: view.left - 6, y: bottom, 'text-anchor': 'end' }, '0'));
}

function drawBox(svg, view, run, box, top, at) {
  const { boxes, batches } = run;
  const a = view.x(Math.max(boxes.start[box], view.from));
  const b = view.x(Math.min(boxes.start[box] + boxes.length[box], view.to));
  const batch = boxes.batch[box];
  const high = batches.high[batch];
  const width = Math.max(b - a - (b - a > 3 ? 0.6 : 0), 0.7);
  const place = { x: a.toFixed(2), width: width.toFixed(2) };
  svg.append(make('rect', { class: box === at ? 'box at' : 'box', 'data-box': box, ...place, y: top + 2, height: ROW - 4, fill: fill(batches.model[batch]) }));
  if (high) svg.append(make('rect', { class: 'high', ...place, y: top + 2, height: 4, 'pointer-events': 'none' }));
  if (batches.size[batch] > 1 && width > 24) {
    svg.append(make('text', { class: 'in', x: a + width / 2, y: top + ROW / 2 + 5 }, `×${batches.size[batch]}`));
  }
}

// What is narrower than a pixel and lies where the row has something already cannot be seen: it is not drawn.
function drawBoxes(svg, view, run, tops, at) {
  const covered = run.rows.map(() => -Infinity);
  for (const box of boxesIn(run, view.from, view.to)) {
    const row = run.boxes.row[box];
    const right = view.x(run.boxes.start[box] + run.boxes.length[box]);
    if (right < covered[row] + 0.5 && box !== at) continue;
    covered[row] = right;
    drawBox(svg, view, run, box, tops[row], at);
  }
}

// The chosen request: its arrival, its deadline, its end.
function drawMarks(svg, view, request, height) {
  const marks = [['arrival', 'arrived', '2 2'], ['deadline', 'deadline', ''], ['end', request.last, '6 3']];
  let level = 0;
  for (const [key, name, dashes] of marks) {
    const time = request[key];
    if (time === null || time < view.from || time > view.to) continue;
    const at = view.x(time);
    svg.append(make('line', { class: `mark ${key}`, x1: at, x2: at, y1: TOP, y2: height - AXIS, 'stroke-dasharray': dashes }));
    const anchor = at > view.left + view.width / 2 ? 'end' : 'start';
    const label = make('text', { class: 'label', x: at + (anchor === 'end' ? -4 : 4), y: TOP + 11 + 13 * level++ }, name);
    label.style.textAnchor = anchor;
    svg.append(label);
  }
}

function draw(chart, state) {
  const run = DATA.runs[state.run];
  const total = Math.max(chart.clientWidth, 200);
  const several = run.rows.some(([gpu]) => gpu !== run.rows[0][0]);
  const names = run.rows.map(([gpu, row]) => (several ? `${gpu}: ${row}` : row));
  const left = Math.min(150, 24 + 6 * Math.max(10, ...names.map((name) => name.length)));
  const width = total - left - 10;
  const x = (time) => left + ((time - state.from) / (state.to - state.from)) * width;
  const view = { from: state.from, to: state.to, left, width, x };
  let y = TOP + WAITING + GAP;
  const tops = run.rows.map(([gpu], row) => {
    if (row && gpu !== run.rows[row - 1][0]) y += GAP;
    return (y += ROW) - ROW;
  });
  const height = y + AXIS;
  const svg = make('svg', { viewBox: `0 0 ${total} ${height}`, height });
  svg.append(patterns());
  drawLeftOut(svg, view, run, height);
  drawAxis(svg, view, height);
  drawWaiting(svg, view, run);
  names.forEach((name, row) => svg.append(make('text', { x: left - 6, y: tops[row] + ROW / 2 + 4, 'text-anchor': 'end' }, name)));
  drawBoxes(svg, view, run, tops, state.box);
  const request = DATA.requests[state.request];
  if (request) drawMarks(svg, view, request, height);
  chart.replaceChildren(svg);
  state.view = view;
}
