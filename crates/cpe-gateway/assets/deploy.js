// A document under the pen: its problems at their lines while it is written, then its plan.
import { Refused, ask, holds, make, planned, size, wrong } from './ask.js';

const PAUSE = 500;
const SHOWN = 50;

export function begin() {
  const [editor, text, gutter, verdict, problems, box, plan] = ['editor', 'document', 'gutter', 'verdict', 'problems', 'planned', 'plan'].map(id => document.getElementById(id));
  let timer = 0, checked = null, marks = new Map(), drawn = '';

  function lines() {
    const count = text.value.split('\n').length;
    const state = `${count} ${[...marks].join()}`;
    if (state !== drawn) {
      drawn = state;
      gutter.replaceChildren(...Array.from({ length: count }, (_, at) => {
        const severity = marks.get(at + 1);
        const mark = severity === 'error' ? '✖ ' : severity ? '▲ ' : '';
        return make('div', { class: severity ?? false }, `${mark}${at + 1}`);
      }));
    }
    gutter.scrollTop = text.scrollTop;
  }
  function say(sentence, kind = '') {
    verdict.textContent = sentence;
    verdict.className = `verdict ${kind}`;
  }
  function show(all) {
    all = [...all].sort((a, b) => (a.severity !== 'error') - (b.severity !== 'error') || a.line - b.line);
    marks = new Map();
    for (const it of [...all].reverse()) if (it.line) marks.set(it.line, marks.get(it.line) === 'error' ? 'error' : it.severity);
    const source = text.value.split('\n');
    problems.replaceChildren(...all.slice(0, SHOWN).map(it => {
      const place = it.line ? `${it.line}:${it.column}` : '–';
      const button = make('button', { type: 'button' }, make('b', {}, `${it.severity === 'error' ? '✖' : '▲'} ${place}`), make('span', {}, it.message),
        it.line && make('code', {}, source[it.line - 1]?.trim().slice(0, 200) ?? ''));
      button.addEventListener('click', () => jump(it));
      return make('li', { class: it.severity }, button);
    }));
    lines();
    const errors = all.filter(it => it.severity === 'error').length;
    const warnings = all.length - errors;
    const part = (number, what) => number ? `${number} ${what}${number === 1 ? '' : 's'}` : '';
    say([part(errors, 'error'), part(warnings, 'warning')].filter(Boolean).join(', ') || 'The document is valid.', errors ? 'bad' : 'good');
  }
  function jump({ line, column }) {
    if (!line) return;
    const before = text.value.split('\n').slice(0, line - 1).join('\n').length + (line > 1 ? 1 : 0);
    text.focus();
    text.setSelectionRange(before + Math.max(column - 1, 0), before + (text.value.split('\n')[line - 1]?.length ?? 0));
    text.scrollTop = Math.max(0, (line - 6) * parseFloat(getComputedStyle(text).lineHeight));
    lines();
  }
  async function check() {
    const value = text.value;
    if (value === checked || !value.trim()) return;
    checked = value;
    try {
      const told = await ask('POST', '/v1/validations', value, { 'Content-Type': 'application/xml' });
      if (value === text.value) show(told.problems);
    } catch (error) {
      checked = null;
      if (error instanceof Refused) say(error.message, 'bad'); else throw error;
    }
  }
  function changed() {
    box.hidden = true;
    lines();
    clearTimeout(timer);
    timer = setTimeout(check, PAUSE);
  }
  function put(value) {
    text.value = value;
    text.setSelectionRange(0, 0);
    changed();
    check();
  }
  async function make_plan(force = false) {
    plan.disabled = true;
    say('Planning …');
    try {
      offer(await ask('POST', `/v1/plans${force ? '?force=true' : ''}`, text.value, { 'Content-Type': 'application/xml' }));
      say('');
      if (!marks.size) problems.replaceChildren();
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      if (error.problem.errors?.length) show(error.problem.errors); else say(error.message, 'bad');
    } finally {
      plan.disabled = false;
    }
  }
  function offer(what, remark = '') {
    const onto = what.generation ? `to generation ${what.generation}` : 'as a new deployment';
    const number = size(what);
    const verb = number === '0 actions' ? 'Store it' : `Apply ${number === '1 action' ? 'this' : 'these'} ${number}`;
    const anyway = !holds(what) && !what.forced && make('button', { type: 'button', class: 'danger', id: 'anyway' }, 'Deploy it all the same…');
    const go = anyway || make('button', { type: 'button', class: 'main', id: 'apply' }, `${verb} ${onto}`);
    const told = wrong(remark);
    box.replaceChildren(make('h2', {}, `Plan for ${what.deployment}`), planned(what), told, make('p', { class: 'actions' }, go));
    box.hidden = false;
    box.focus();
    box.scrollIntoView({ block: 'nearest' });
    go.addEventListener('click', async () => {
      go.disabled = true;
      try {
        if (anyway) return await make_plan(true);
        const done = await ask('POST', `/v1/plans/${what.id}/apply`);
        location.assign(`/deployments/${encodeURIComponent(done.deployment)}`);
      } catch (error) {
        if (!(error instanceof Refused)) throw error;
        if (error.problem.plan) offer(error.problem.plan, error.message); else told.textContent = error.message;
      } finally {
        go.disabled = false;
      }
    });
  }

  text.addEventListener('input', changed);
  text.addEventListener('scroll', lines);
  plan.addEventListener('click', () => make_plan());
  text.addEventListener('keydown', event => { if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) make_plan(); });
  document.getElementById('file').addEventListener('change', async event => { const [file] = event.target.files; if (file) put(await file.text()); });
  for (const kind of ['dragover', 'dragleave', 'drop']) {
    editor.addEventListener(kind, async event => {
      if (![...event.dataTransfer.types].includes('Files')) return;
      event.preventDefault();
      editor.classList.toggle('over', kind === 'dragover');
      if (kind === 'drop' && event.dataTransfer.files[0]) put(await event.dataTransfer.files[0].text());
    });
  }
  new ResizeObserver(lines).observe(text);
  lines();
  if (editor.dataset.source) {
    ask('GET', editor.dataset.source, null, { Accept: 'application/xml' }).then(put).catch(error => say(error.message, 'bad'));
  }
}
