// The beginning: what is there on every page, and what a page of this kind needs.
import { follow } from './live.js';
import { morph } from './morph.js';
import { keys } from './keys.js';

const main = document.getElementById('main');
const kind = document.body.dataset.kind;

// Ages count on between two looks.
function count() {
  const now = Date.now();
  for (const age of document.querySelectorAll('[data-since]')) {
    const text = span(now - age.dataset.since);
    if (age.textContent !== text) age.textContent = text;
  }
}
function span(ms) {
  const seconds = Math.max(0, ms / 1000);
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 120) return `${Math.floor(seconds)} s`;
  if (seconds < 7200) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 172800) return `${Math.floor(seconds / 3600)} h`;
  return `${Math.floor(seconds / 86400)} days`;
}
setInterval(count, 1000);

// What is looked for is shown at once; Enter has the host look, also in what is not shown.
const search = document.getElementById('search');
function narrow() {
  const wanted = (kind === 'overview' && search ? search.value : '').trim().toLowerCase();
  let found = 0;
  const rows = document.querySelectorAll('tr[data-find]');
  for (const row of rows) {
    const fits = row.textContent.toLowerCase().includes(wanted);
    row.hidden = !fits;
    if (fits) found += 1;
  }
  const unfound = document.getElementById('unfound');
  if (unfound) unfound.hidden = found > 0 || rows.length === 0;
  const chosen = document.getElementById('kind')?.value ?? '';
  for (const event of document.querySelectorAll('.events > [data-kind]')) {
    event.hidden = chosen !== '' && event.dataset.kind !== chosen;
  }
}
search?.addEventListener('input', narrow);
main?.addEventListener('change', event => { if (event.target.id === 'kind') narrow(); });

// Whoever points at a service sees what belongs to it.
function near(event) {
  const of = event.type === 'pointerover' && event.target.closest?.('#picture .card');
  for (const other of document.querySelectorAll('.card')) {
    const same = of && (other.dataset.service === of.dataset.service || (of.dataset.in && other.dataset.in === of.dataset.in));
    other.classList.toggle('near', Boolean(same));
  }
}
main?.addEventListener('pointerover', near);
main?.addEventListener('pointerleave', near);

document.getElementById('login')?.addEventListener('submit', event => {
  const next = event.target.dataset.next;
  if (!next?.startsWith('/') || next.startsWith('//') || next.startsWith('/v1')) return;
  event.preventDefault();
  logIn(event.target, next);
});
async function logIn(form, next) {
  const wrong = document.getElementById('wrong');
  const headers = { 'Content-Type': 'application/json', 'X-CPE-Request': '1', Accept: 'application/json' };
  const body = JSON.stringify({ token: form.elements.token.value });
  try {
    const answer = await fetch('/v1/session', { method: 'POST', headers, body });
    if (answer.ok) return location.assign(next);
    wrong.textContent = (await answer.json()).detail ?? 'The token is not accepted.';
  } catch {
    wrong.textContent = 'The gateway does not answer.';
  }
  form.elements.token.select();
}

keys();
if (main?.hasAttribute('data-about')) {
  follow(main, page => { morph(main, page); narrow(); count(); });
}
if (document.getElementById('act') || document.querySelector('[data-verb]') || kind === 'deployment') {
  import('./act.js').then(act => act.begin());
}
if (kind === 'deploy') import('./deploy.js').then(deploy => deploy.begin());
