// All of it by keyboard. Single keys can be switched off, for those who speak to their computer.
import { make } from './ask.js';

const HELP = [
  ['/', 'search'], ['g o', 'all deployments'], ['j  k', 'next, previous'], ['Enter', 'open'],
  ['e', 'explain the service'], ['a', 'act on it'], ['g d', 'deploy'], ['g w', 'what if'], ['?', 'this help'], ['Esc', 'close, go back'],
];
const OFF = 'cpe-no-keys';

export function keys() {
  let went = 0;
  const help = dialog();
  document.getElementById('help')?.addEventListener('click', () => help.showModal());
  document.addEventListener('keydown', event => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || document.querySelector('dialog[open]')) return;
    const at = event.target;
    const writes = at.matches?.('input:not([type=checkbox]), textarea, select');
    if (event.key === 'Escape' && writes) return at.blur();
    if (writes || localStorage.getItem(OFF)) return;
    const key = Date.now() - went < 1200 ? `g ${event.key}` : event.key;
    went = event.key === 'g' ? Date.now() : 0;
    const does = DOES[key];
    if (does && does(help) !== false) event.preventDefault();
  });
}

const go = selector => () => {
  const link = document.querySelector(selector);
  return link ? link.click() : false;
};
const DOES = {
  '/': () => {
    const search = document.getElementById('search');
    search?.focus();
    search?.select();
  },
  '?': help => help.showModal(),
  'g o': go('a.home'),
  'g d': go('.actions a[href$="deploy"]'),
  'g w': go('.actions a[href$="what-if"]'),
  j: () => step(1),
  k: () => step(-1),
  e: () => current()?.closest('.card')?.querySelector('a.name')?.click() ?? false,
  a: () => document.dispatchEvent(new CustomEvent('act', { detail: current() })),
};

const places = () => [...document.querySelectorAll('a.row, button.pick, .card a.name')].filter(it => it.offsetParent);
const current = () => places().find(it => it === document.activeElement) ?? null;
function step(by) {
  const all = places();
  if (all.length === 0) return false;
  const at = all.indexOf(document.activeElement);
  const next = at < 0 ? (by > 0 ? 0 : all.length - 1) : Math.min(Math.max(at + by, 0), all.length - 1);
  all[next].focus();
  all[next].scrollIntoView({ block: 'nearest' });
}

function dialog() {
  const list = make('dl', { class: 'keys' });
  for (const [key, text] of HELP) list.append(make('dt', {}, make('kbd', {}, key)), make('dd', {}, text));
  const tick = make('input', { type: 'checkbox' });
  tick.checked = !localStorage.getItem(OFF);
  tick.addEventListener('change', () => tick.checked ? localStorage.removeItem(OFF) : localStorage.setItem(OFF, '1'));
  const form = make('form', { method: 'dialog' }, make('h2', { id: 'keys-title' }, 'Keys'), list, make('label', { class: 'tick' }, tick, 'Single keys are on'),
    make('p', { class: 'buttons' }, make('button', { class: 'main' }, 'Close')));
  const box = make('dialog', { 'aria-labelledby': 'keys-title' }, form);
  document.body.append(box);
  return box;
}
