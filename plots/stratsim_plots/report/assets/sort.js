// Sorts tables by a column: once ascending, once descending, then as the page had it. What has no value comes last.
function valueOf(row, column) {
  const cell = row.cells[column];
  if (cell.dataset.by !== undefined) return Number(cell.dataset.by);
  const text = cell.textContent.trim();
  if (text === '–' || text === '') return null;
  return /^-?\d+(\.\d+)?$/.test(text) ? Number(text) : text;
}

function compare(a, b) {
  if (typeof a === 'number' && typeof b === 'number') return a - b;
  return String(a).localeCompare(String(b), 'en', { numeric: true });
}

function sort(table, column, direction) {
  const body = table.tBodies[0];
  const rows = [...body.rows].map((row) => [valueOf(row, column), row]);
  rows.sort(([a, one], [b, other]) => {
    const place = one.dataset.place - other.dataset.place;
    if (!direction || (a === null && b === null)) return place;
    if (a === null || b === null) return a === null ? 1 : -1;
    return direction * compare(a, b) || place;
  });
  body.append(...rows.map(([, row]) => row));
}

function head(table, cell, column) {
  const button = document.createElement('button');
  button.type = 'button';
  button.append(...cell.childNodes);
  cell.append(button);
  button.addEventListener('click', () => {
    const next = { ascending: 'descending', descending: null }[cell.getAttribute('aria-sort')];
    const order = next === undefined ? 'ascending' : next;
    for (const other of table.tHead.rows[0].cells) other.removeAttribute('aria-sort');
    if (order) cell.setAttribute('aria-sort', order);
    sort(table, column, { ascending: 1, descending: -1 }[order] || 0);
  });
}

for (const table of document.querySelectorAll('table.sortable')) {
  const rows = [...table.tBodies[0].rows];
  if (rows.length < 2) continue;
  rows.forEach((row, place) => { row.dataset.place = place; });
  [...table.tHead.rows[0].cells].forEach((cell, column) => head(table, cell, column));
}
