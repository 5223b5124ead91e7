// Verbs: chosen, planned, looked at, and only then done. Destroying has the name typed.
import { Refused, ask, holds, make, planned, size } from './ask.js';

// verb: what it needs; the gateway plans all but the last.
const VERBS = {
  move: { needs: ['service', 'assembly?'], plan: true, text: 'Move a service', timed: true },
  ban: { needs: ['service', 'assembly'], plan: true, text: 'Ban a service from an assembly', timed: true },
  clear: { needs: ['service', 'assembly?'], plan: true, text: 'Clear moves and bans' },
  disable: { needs: ['service'], plan: true, text: 'Stop a service' },
  enable: { needs: ['service'], plan: true, text: 'Let a service run again' },
  restart: { needs: ['service'], plan: true, text: 'Restart a service' },
  unmanage: { needs: ['service'], plan: true, text: 'Leave a service alone' },
  manage: { needs: ['service'], plan: true, text: 'Manage a service again' },
  standby: { needs: ['assembly'], plan: true, text: 'Standby: keep no services there' },
  unstandby: { needs: ['assembly'], plan: true, text: 'End of standby' },
  destroy: { needs: [], owner: true, text: 'Destroy the deployment' },
};

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
  const offered = Object.entries(VERBS).filter(([, it]) => !it.owner || owns());
  const options = (all, chosen, none) => [...(none ? [make('option', { value: '' }, none)] : []), ...all.map(it => make('option', { value: it, selected: it === chosen }, it))];
  const select = make('select', { id: 'do-verb' }, ...offered.map(([name, it]) => make('option', { value: name, selected: name === verb }, it.text)));
  const fields = make('div', { class: 'fields' });
  const more = make('div', { class: 'plan', 'aria-live': 'polite' });
  const go = make('button', { class: 'main' }, 'Plan');
  const form = make('form', {}, make('h2', { id: 'do-title' }, `Act on ${subject.dataset.deployment}`), make('label', {}, 'What', select), fields, more,
    make('p', { class: 'buttons' }, make('button', { type: 'button', 'data-close': true }, 'Cancel'), go));
  show(form);
  const value = name => fields.querySelector(`[name="${name}"]`)?.value ?? '';
  const draw = () => {
    const it = VERBS[select.value];
    const services = [...new Set([...names('.card', 'service'), ...names('.card', 'in')])];
    const kept = { service: value('service') || given.service, assembly: value('assembly') || given.assembly };
    fields.replaceChildren();
    for (const need of it.needs) {
      const name = need.replace('?', '');
      const all = name === 'service' ? services : names('.column', 'assembly');
      const field = make('select', { name, required: need === name }, ...options(all, kept[name], need === name ? null : name === 'service' ? 'all' : 'any'));
      fields.append(make('label', {}, name === 'service' ? 'Service or group' : 'Assembly', field));
    }
    if (it.timed) {
      const times = [['', select.value === 'ban' ? 'until it is cleared' : 'until it is there'], ['3600000', 'for 1 hour'], ['7200000', 'for 2 hours'], ['28800000', 'for 8 hours'], ['86400000', 'for a day']];
      fields.append(make('label', {}, 'How long', make('select', { name: 'for' }, ...times.map(([ms, text]) => make('option', { value: ms }, text)))));
    }
    if (select.value === 'destroy') fields.append(make('label', {}, 'Its services', make('select', { name: 'services' }, make('option', { value: 'stop' }, 'are stopped'), make('option', { value: 'keep' }, 'go on without it'))));
    more.replaceChildren();
    go.textContent = it.plan ? 'Plan' : 'Next';
  };
  select.addEventListener('change', draw);
  draw();
  form.addEventListener('submit', event => {
    event.preventDefault();
    const wanted = { verb: select.value, service: value('service'), assembly: value('assembly'), for: value('for'), services: value('services') };
    busy(form, () => VERBS[wanted.verb].plan ? plan(wanted) : destroy(wanted), more);
  });
  select.focus();
}

// Second step: what it would bring.
async function plan(wanted, force = false) {
  const body = { deployment: subject.dataset.deployment, verb: wanted.verb, force };
  for (const key of ['service', 'assembly']) if (wanted[key]) body[key] = wanted[key];
  if (wanted.for) body.for_ms = Number(wanted.for);
  else if (wanted.verb === 'ban') body.lifetime = 'cleared';
  decide(await ask('POST', '/v1/plans', body), () => plan(wanted, true));
}
function decide(what, forced) {
  const sure = holds(what) || what.forced;
  const title = make('h2', { id: 'do-title', tabindex: '-1' }, sure ? 'This would be done' : 'This would not hold');
  const more = make('div', { class: 'plan', 'aria-live': 'polite' });
  const go = sure && !what.plan.unchanged && make('button', { class: 'main' }, does(what));
  const anyway = !sure && make('button', { type: 'button', class: 'danger' }, 'Do it all the same…');
  const form = make('form', {}, title, planned(what), more, make('p', { class: 'buttons' }, make('button', { type: 'button', 'data-close': true }, go || anyway ? 'Cancel' : 'Close'), anyway, go));
  show(form);
  (go || title).focus();
  if (anyway) anyway.addEventListener('click', () => busy(form, forced, more));
  form.addEventListener('submit', event => {
    event.preventDefault();
    busy(form, async () => {
      try {
        await ask('POST', `/v1/plans/${what.id}/apply`, null, { 'Idempotency-Key': crypto.randomUUID() });
        close();
      } catch (error) {
        if (!error.problem?.plan) throw error;
        decide(error.problem.plan);
        box.querySelector('.plan').prepend(make('p', { class: 'wrong', role: 'alert' }, error.message));
      }
    }, more);
  });
}

function does(what) {
  const number = size(what);
  if (number === '0 actions') return 'Do it';
  return number === '1 action' ? 'Do this action' : `Do these ${number}`;
}

// What cannot be taken back: said in a sentence, and the name is typed.
function destroy(wanted) {
  const name = subject.dataset.deployment;
  const keeps = wanted.services === 'keep';
  const sentence = `The deployment ends, and its document is gone. Its services ${keeps ? 'go on, and nobody watches them' : 'are stopped'}.`;
  const more = make('div', { class: 'plan', 'aria-live': 'polite' });
  const field = make('input', { type: 'text', autocomplete: 'off', spellcheck: 'false', id: 'do-typed' });
  const go = make('button', { class: 'danger', disabled: true }, 'Destroy the deployment');
  const form = make('form', {}, make('h2', { id: 'do-title' }, 'Destroy the deployment'), make('p', {}, sentence),
    make('label', {}, `Type ${name} to confirm`, field), more, make('p', { class: 'buttons' }, make('button', { type: 'button', 'data-close': true }, 'Cancel'), go));
  field.addEventListener('input', () => { go.disabled = field.value !== name; });
  form.addEventListener('submit', event => {
    event.preventDefault();
    if (field.value !== name) return;
    busy(form, async () => {
      await ask('DELETE', `/v1/deployments/${encodeURIComponent(name)}?services=${wanted.services}`, null, { 'If-Match': `"g${subject.dataset.generation}"` });
      location.assign('/');
    }, more);
  });
  show(form);
  field.focus();
}

// --- the box
function show(form) {
  if (!box) {
    box = make('dialog', { 'aria-labelledby': 'do-title' });
    box.addEventListener('click', event => { if (event.target.closest('[data-close]')) close(); });
    document.body.append(box);
  }
  box.replaceChildren(form);
  if (!box.open) box.showModal();
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
    more.replaceChildren(make('p', { class: 'wrong', role: 'alert' }, error.message), ...mistakes);
  } finally {
    buttons.forEach(it => { it.disabled = false; });
  }
}
