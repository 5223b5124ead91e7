// Verbs: chosen, shown with what they would bring, and only then done. What cannot be taken back has the name typed.
import { Refused, ask, holds, make, planned, size, wrong } from './ask.js';
import { MEANINGS } from './mean.js';

// verb: what it needs. The gateway plans those that have no meaning of their own.
const VERBS = {
  move: { needs: ['service', 'assembly?'], text: 'Move a service', timed: true },
  ban: { needs: ['service', 'assembly'], text: 'Ban a service from an assembly', timed: true },
  clear: { needs: ['service', 'assembly?'], text: 'Clear moves and bans' },
  disable: { needs: ['service'], text: 'Stop a service' },
  enable: { needs: ['service'], text: 'Let a service run again' },
  restart: { needs: ['service'], text: 'Restart a service' },
  unmanage: { needs: ['service'], text: 'Leave a service alone' },
  manage: { needs: ['service'], text: 'Manage a service again' },
  cleanup: { needs: ['service?', 'assembly?'], text: 'Forget failures' },
  refresh: { needs: ['service?', 'assembly?'], text: 'Look again at all that runs' },
  maintenance: { needs: ['assembly?'], on: true, text: 'Maintenance: leave services alone' },
  unmaintenance: { needs: ['assembly?'], on: false, of: 'maintenance', text: 'End of maintenance' },
  standby: { needs: ['assembly'], text: 'Standby: keep no services there' },
  unstandby: { needs: ['assembly'], text: 'End of standby' },
  fence: { needs: ['assembly'], owner: true, text: 'Fence: switch the power of an assembly' },
  'confirm-fenced': { needs: ['assembly'], owner: true, text: 'Confirm that an assembly is down' },
  destroy: { needs: [], owner: true, text: 'Destroy the deployment' },
};
const POWERS = [['reboot', 'off and on again'], ['off', 'off, and it stays off'], ['on', 'on']];
const SERVICES = [['stop', 'are stopped'], ['keep', 'go on without it']];
const TIMES = [[1, 'for 1 hour'], [2, 'for 2 hours'], [8, 'for 8 hours'], [24, 'for a day']];

let subject, role, box;
const owns = () => role === 'owner' || role === 'admin';
const names = (selector, key) => [...new Set([...document.querySelectorAll(selector)].map(it => it.dataset[key]))].filter(Boolean);

export function begin() {
  subject = document.getElementById('subject');
  role = subject?.dataset.role ?? '';
  document.addEventListener('act', event => open(event.detail));
  document.addEventListener('click', event => {
    const verb = event.target.closest?.('[data-verb]');
    if (verb) return choose(verb.dataset.verb, { service: verb.dataset.of, assembly: verb.dataset.at });
    if (event.target.closest?.('#act')) return open(null);
    const pick = event.target.closest?.('button.pick');
    if (pick) open(pick);
  });
}

function open(at) {
  if (!document.getElementById('act')) return;
  const card = at?.closest('.card');
  if (card) return choose('move', { service: card.dataset.service });
  const column = at?.closest('.column');
  if (column?.dataset.assembly) return choose(column.hasAttribute('data-standby') ? 'unstandby' : 'standby', { assembly: column.dataset.assembly });
  choose('move', {});
}

// First step: what, and with whom.
function choose(verb, given) {
  const options = (all, chosen) => all.map(([value, text]) => make('option', { value, selected: value === chosen }, text));
  const offered = Object.entries(VERBS).filter(([, it]) => !it.owner || owns());
  const select = make('select', { id: 'do-verb' }, ...options(offered.map(([name, it]) => [name, it.text]), verb));
  const fields = make('div', { class: 'fields' });
  const go = make('button', { class: 'main' }, 'Plan');
  const { more } = sheet(`Act on ${subject.dataset.deployment}`, [make('label', {}, 'What', select), fields], [go], () => {
    const wanted = { verb: select.value };
    for (const field of fields.querySelectorAll('select')) wanted[field.name] = field.value;
    return MEANINGS[wanted.verb] ? explain(wanted) : plan(wanted);
  });
  const draw = () => {
    const it = VERBS[select.value];
    const add = (name, title, all, required) => fields.append(make('label', {}, title, make('select', { name, required }, ...options(all, given[name]))));
    fields.replaceChildren();
    for (const need of it.needs) {
      const name = need.replace('?', '');
      const isOf = name === 'service';
      const all = isOf ? [...new Set([...names('.card', 'service'), ...names('.card', 'in')])] : names('.column', 'assembly');
      add(name, isOf ? 'Service or group' : 'Assembly', [...(need === name ? [] : [['', isOf ? 'all' : 'any']]), ...all.map(it => [it, it])], need === name);
    }
    if (it.timed) add('for', 'How long', [['', select.value === 'ban' ? 'until it is cleared' : 'until it is there'], ...TIMES]);
    if (select.value === 'fence') add('power', 'How', POWERS);
    if (select.value === 'destroy') add('services', 'Its services', SERVICES);
    more.replaceChildren();
    go.textContent = MEANINGS[select.value] ? 'Next' : 'Plan';
  };
  select.addEventListener('change', draw);
  // What somebody has chosen stays for another verb; what only stood first does not.
  fields.addEventListener('change', event => { given[event.target.name] = event.target.value; });
  draw();
  select.focus();
}

// Second step: what it would bring.
async function plan(wanted, force = false) {
  const { of, on } = VERBS[wanted.verb];
  const body = { deployment: subject.dataset.deployment, verb: of ?? wanted.verb, force, on };
  for (const key of ['service', 'assembly']) if (wanted[key]) body[key] = wanted[key];
  if (wanted.for) body.for_ms = wanted.for * 3_600_000;
  else if (wanted.verb === 'ban') body.lifetime = 'cleared';
  decide(await ask('POST', '/v1/plans', body), () => plan(wanted, true));
}
function decide(what, forced) {
  const sure = holds(what) || what.forced;
  const go = sure && !what.plan.unchanged && make('button', { class: 'main' }, does(what));
  const anyway = !sure && make('button', { type: 'button', class: 'danger' }, 'Do it all the same…');
  const { form, more, title } = sheet(sure ? 'This would be done' : 'This would not hold', [planned(what)], [anyway, go], async () => {
    try {
      await ask('POST', `/v1/plans/${what.id}/apply`);
      close();
    } catch (error) {
      if (!error.problem?.plan) throw error;
      decide(error.problem.plan, forced);
      box.querySelector('.plan').prepend(wrong(error.message));
    }
  });
  (go || title).focus();
  if (anyway) anyway.addEventListener('click', () => busy(form, forced, more));
}

function does(what) {
  const number = size(what);
  if (number === '0 actions') return 'Do it';
  return number === '1 action' ? 'Do this action' : `Do these ${number}`;
}

// The same of what the gateway does not plan.
function explain(wanted) {
  const { text } = VERBS[wanted.verb];
  const { says, typed, give } = MEANINGS[wanted.verb](wanted);
  const field = typed && make('input', { type: 'text', autocomplete: 'off', spellcheck: 'false', id: 'do-typed' });
  const go = give && make('button', { class: typed ? 'danger' : 'main', disabled: Boolean(typed) }, text.split(':')[0]);
  const content = says.map(it => typeof it === 'string' ? make('p', {}, it) : it);
  const { form, more, title } = sheet(text, [...content, field && make('label', {}, `Type ${typed} to confirm`, field)], [go], async () => {
    if (!give || (typed && field.value !== typed)) return;
    await give(more);
    if (form.isConnected) close();
  });
  field?.addEventListener('input', () => { go.disabled = field.value !== typed; });
  (field || go || title).focus();
}

function sheet(text, content, buttons, work) {
  const more = make('div', { class: 'plan', 'aria-live': 'polite' });
  const title = make('h2', { id: 'do-title', tabindex: '-1' }, text);
  const leave = make('button', { type: 'button', 'data-close': true }, buttons.some(Boolean) ? 'Cancel' : 'Close');
  const form = make('form', {}, title, ...content, more, make('p', { class: 'buttons' }, leave, ...buttons));
  form.addEventListener('submit', event => {
    event.preventDefault();
    busy(form, () => work(), more);
  });
  if (!box) {
    box = make('dialog', { 'aria-labelledby': 'do-title' });
    box.addEventListener('click', event => { if (event.target.closest('[data-close]')) close(); });
    document.body.append(box);
  }
  box.replaceChildren(form);
  if (!box.open) box.showModal();
  return { form, more, title };
}
function close() {
  box.close();
}
async function busy(form, work, more) {
  const buttons = [...form.querySelectorAll('button.main, button.danger')];
  buttons.forEach(it => { it.disabled = true; });
  try {
    await work();
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    const mistakes = (error.problem.errors ?? []).map(it => make('p', {}, it.message));
    more.replaceChildren(wrong(error.message), ...mistakes);
  } finally {
    buttons.forEach(it => { it.disabled = false; });
  }
}
