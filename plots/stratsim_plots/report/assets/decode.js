// The page's data: columns of small whole numbers, whose starts are differences to the one before.
const DATA = JSON.parse(document.getElementById('data').textContent);

function summed(differences) {
  let total = 0;
  return differences.map((step) => (total += step));
}

for (const run of DATA.runs) {
  run.boxes.start = summed(run.boxes.start);
  run.waiting.at = summed(run.waiting.at);
  run.longest = run.boxes.length.reduce((most, length) => Math.max(most, length), 0);
  run.most = run.waiting.at.reduce((most, _, i) => Math.max(most, run.waiting.high[i] + run.waiting.low[i]), 1);
}

const seconds = (time) => DATA.start_s + time * DATA.unit_s;
const fromSeconds = (value) => (value - DATA.start_s) / DATA.unit_s;
const MS = 1e-3 / DATA.unit_s; // units in a millisecond

// The position of the first element that is not below a value, in a sorted column.
function firstNotBelow(column, value) {
  let low = 0;
  let high = column.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (column[middle] < value) low = middle + 1;
    else high = middle;
  }
  return low;
}

// The boxes that lie at least partly in a window.
function boxesIn(run, from, to) {
  const found = [];
  const { start, length } = run.boxes;
  for (let i = firstNotBelow(start, from - run.longest); i < start.length && start[i] < to; i++) {
    if (start[i] + length[i] > from) found.push(i);
  }
  return found;
}

const digits = (value, places) => Number(value.toFixed(places)).toString();

function describe(run, box) {
  const { boxes, batches } = run;
  const batch = boxes.batch[box];
  const [gpu, row] = run.rows[boxes.row[box]];
  const slack = batches.slack_ms[batch];
  const facts = [
    `${DATA.models[batches.model[batch]]} ×${batches.size[batch]} (${batches.high[batch] ? 'high' : 'low'}), ` +
      `batch ${batches.id[batch]}, GPU ${gpu}: ${row}`,
    `from ${seconds(boxes.start[box]).toFixed(6)} s, ${digits(boxes.length[box] / MS, 4)} ms long`,
    `dispatched at ${seconds(batches.dispatch[batch]).toFixed(6)} s`,
  ];
  if (batches.slowdown[batch] !== null) facts.push(`slowdown ${digits(batches.slowdown[batch], 3)}`);
  if (slack !== null) facts.push(slack < 0 ? `${digits(-slack, 3)} ms late` : `${digits(slack, 3)} ms to spare`);
  return facts.join('; ');
}
