// Light or dark: as the system says, unless the reader chooses. The choice is kept where the browser keeps anything.
const KEY = 'stratsim-report-colours';
const root = document.documentElement;
const switched = document.getElementById('theme');

function remembered() {
  try { return localStorage.getItem(KEY) || ''; } catch { return ''; }
}

function apply(name) {
  if (name) root.dataset.theme = name;
  else delete root.dataset.theme;
  switched.value = name;
}

root.classList.add('scripted');
const before = remembered();
apply(['light', 'dark'].includes(before) ? before : '');
switched.addEventListener('change', () => {
  apply(switched.value);
  try { localStorage.setItem(KEY, switched.value); } catch { /* it holds for this page only */ }
});
