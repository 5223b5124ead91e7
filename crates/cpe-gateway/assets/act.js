// Verbs: chosen, planned, looked at, and only then done. What cannot be taken back has the name
// typed.
import { Refused, ask, holds, make, planned, size } from './ask.js';

// verb: what it needs, and whether it is planned by the gateway.
const VERBS = {
  move: { needs: ['service', 'assembly?'], plan: true, text: 'Move a service', timed: true },
  ban: { needs: ['service', 'assembly'], plan: true, text: 'Ban a service from an assembly', timed: true },
  clear: { needs: ['service', 'assembly?'], plan: true, text: 'Clear moves and bans' },
  disable: { needs: ['service'], plan: true, text: 'Stop a service' },
  enable: { needs: ['service'], plan: true, text: 'Let a service run again' },
  restart: { needs: ['service'], plan: true, text: 'Restart a service' },
  unmanage: { needs: ['service'], plan: true, text: 'Leave a service alone' },
  manage: { needs: ['service'], plan: true, text: 'Manage a service again' },
  cleanup: { needs: ['service', 'assembly?'], text: 'Forget failures' },
  refresh: { needs: ['service?', 'assembly?'], text: 'Look again what runs' },
  standby: { needs: ['assembly'], plan: true, text: 'Standby: keep no services there' },
  unstandby: { needs: ['assembly'], plan: true, text: 'End of standby' },
  fence: { needs: ['assembly'], owner: true, typed: 'assembly', text: 'Fence: power an assembly off or restart it' },
  'confirm-fenced': { needs: ['assembly'], owner: true, typed: 'assembly', text: 'Confirm that an assembly is down' },
  destroy: { needs: [], owner: true, typed: 'deployment', text: 'Destroy the deployment' },
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
  const all = subject.hasAttribute('data-operations');
  const offered = Object.entries(VERBS).filter(([name, it]) => (!it.owner || owns()) && (all || it.plan || name === 'destroy'));
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
    if (select.value === 'fence') fields.append(make('label', {}, 'How', make('select', { name: 'action' }, make('option', { value: 'reboot' }, 'restart it'), make('option', { value: 'off' }, 'leave it off'))));
    if (select.value === 'destroy') fields.append(make('label', {}, 'Its services', make('select', { name: 'services' }, make('option', { value: 'stop' }, 'are stopped'), make('option', { value: 'keep' }, 'go on without it'))));
    more.replaceChildren();
    go.textContent = it.plan ? 'Plan' : 'Next';
  };
  select.addEventListener('change', draw);
  draw();
  form.addEventListener('submit', event => {
    event.preventDefault();
    const wanted = { verb: select.value, service: value('service'), assembly: value('assembly'), for: value('for'), action: value('action'), services: value('services') };
    busy(form, () => VERBS[wanted.verb].plan ? plan(wanted, more) : confirm(wanted), more);
  });
  select.focus();
}

// Second step: what it would bring.
async function plan(wanted, more, force = false) {
  const body = { deployment: subject.dataset.deployment, verb: wanted.verb, force };
  for (const key of ['service', 'assembly']) if (wanted[key]) body[key] = wanted[key];
  if (wanted.for) body.for_ms = Number(wanted.for);
  else if (wanted.verb === 'ban') body.lifetime = 'cleared';
  decide(await ask('POST', '/v1/plans', body), () => plan(wanted, more, true));
}
function decide(what, forced) {
  const sure = holds(what) || what.forced;
  const title = make('h2', { id: 'do-title', tabindex: '-1' }, sure ? 'This would be done' : 'This would not hold');
  const more = make('div', { class: 'plan', 'aria-live': 'polite' });
  const go = sure && !what.plan.unchanged && make('button', { class: 'main' }, `Do ${size(what) === '0 actions' ? 'it' : `these ${size(what)}`.replace('these 1 ', 'this ')}`);
  const anyway = !sure && make('button', { type: 'button', class: 'danger' }, 'Do it all the same…');
  const form = make('form', {}, title, planned(what), more, make('p', { class: 'buttons' }, make('button', { type: 'button', 'data-close': true }, go || anyway ? 'Cancel' : 'Close'), anyway, go));
  show(form);
  (go || title).focus();
  if (anyway) anyway.addEventListener('click', () => busy(form, async () => {
    const again = await forced();
    return again;
  }, more));
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

// What is not planned: said in a sentence, and where it cannot be taken back the name is typed.
function confirm(wanted) {
  const it = VERBS[wanted.verb];
  const typed = it.typed === 'deployment' ? subject.dataset.deployment : it.typed ? wanted.assembly : '';
  const sentence = {
    cleanup: `The failures of ${wanted.service}${wanted.assembly ? ` on ${wanted.assembly}` : ''} are forgotten, and it is decided again.`,
    refresh: `It is looked at again what runs${wanted.service ? ` of ${wanted.service}` : ''}${wanted.assembly ? ` on ${wanted.assembly}` : ''}.`,
    fence: `${wanted.assembly} loses its power at once, with all that runs there. Its services start elsewhere if they can.`,
    'confirm-fenced': `You say that nothing runs in ${wanted.assembly}. If something does, services run twice, and data may be destroyed. Look at the machine first.`,
    destroy: `The deployment ends, and its document is gone. Its services ${wanted.services === 'keep' ? 'go on, and nobody watches them' : 'are stopped'}.`,
  }[wanted.verb];
  const more = make('div', { class: 'plan', 'aria-live': 'polite' });
  const field = typed && make('input', { type: 'text', autocomplete: 'off', spellcheck: 'false', id: 'do-typed' });
  const go = make('button', { class: typed ? 'danger' : 'main', disabled: Boolean(typed) }, it.text.split(':')[0]);
  const form = make('form', {}, make('h2', { id: 'do-title' }, it.text), make('p', {}, sentence),
    typed && make('label', {}, `Type ${typed} to confirm`, field), more, make('p', { class: 'buttons' }, make('button', { type: 'button', 'data-close': true }, 'Cancel'), go));
  field && field.addEventListener('input', () => { go.disabled = field.value !== typed; });
  form.addEventListener('submit', event => {
    event.preventDefault();
    if (typed && field.value !== typed) return;
    busy(form, () => carryOut(wanted).then(close), more);
  });
  show(form);
  (field || go).focus();
}
async function carryOut(wanted) {
  const place = `/v1/deployments/${encodeURIComponent(subject.dataset.deployment)}`;
  if (wanted.verb === 'destroy') {
    await ask('DELETE', `${place}?services=${wanted.services}`, null, { 'If-Match': `"g${subject.dataset.generation}"` });
    return location.assign('/');
  }
  const body = { operation: wanted.verb };
  for (const key of ['service', 'assembly']) if (wanted[key]) body[key] = wanted[key];
  if (wanted.verb === 'fence') body.power = wanted.action;
  if (wanted.verb === 'confirm-fenced') body.attempt = document.getElementById(`asm-${wanted.assembly}`)?.dataset.attempt;
  await ask('POST', `${place}/operations`, body, { 'Idempotency-Key': crypto.randomUUID() });
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
