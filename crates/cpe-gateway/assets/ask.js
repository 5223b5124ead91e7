// Asking the gateway, and showing what it plans.

export class Refused extends Error {
  constructor(problem) {
    super(problem.detail || problem.title || 'It failed.');
    this.problem = problem;
  }
}

export async function ask(method, path, body, headers = {}) {
  const all = { 'X-CPE-Request': '1', Accept: 'application/json', ...headers };
  if (typeof body === 'object' && body) {
    all['Content-Type'] = 'application/json';
    body = JSON.stringify(body);
  }
  let answer;
  try {
    answer = await fetch(path, { method, headers: all, body });
  } catch {
    throw new Refused({ title: 'The gateway does not answer.' });
  }
  const text = await answer.text();
  const isJson = answer.headers.get('Content-Type')?.includes('json');
  if (!answer.ok) throw new Refused(isJson ? JSON.parse(text) : { title: `It was refused: ${answer.status}` });
  return isJson ? JSON.parse(text) : text;
}

export function make(name, attributes = {}, ...content) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === true) node.setAttribute(key, '');
    else if (value !== false && value != null) node.setAttribute(key, value);
  }
  node.append(...content.filter(it => it != null && it !== false));
  return node;
}

export const wrong = text => make('p', { class: 'wrong', role: 'alert' }, text);

const MARKS = { start: '+', stop: '−', restart: '↻', move: '→', promote: '▲', demote: '▽', fence: '✖', unfence: '○', reload: '↻' };
const plural = (number, what) => `${number} ${what}${number === 1 ? '' : 's'}`;

// What a plan would do: `what` is the plan as the REST API has it.
export function planned(what) {
  const plan = what.plan;
  const box = make('div', { class: 'plan' });
  const list = (title, items, kind) => {
    if (!items?.length) return;
    box.append(make('h3', {}, title), make('ul', { class: kind ?? 'sentences' }, ...items.map(item => typeof item === 'string' ? make('li', {}, item) : item)));
  };
  const actions = (plan.actions ?? []).filter(it => it.action !== 'leave');
  list('Why not', plan.refused, 'sentences refused');
  list('Instead, with cpectl', plan.hints);
  list('Then', plan.changes);
  if (actions.length) list(plural(actions.length, 'action'), actions.map(line), 'lines');
  else box.append(make('p', {}, plan.unchanged ? plan.verb === 'cleanup' ? 'There is nothing to forget.' : 'It is so already: nothing would change.' : 'Nothing that runs would change.'));
  list('These could run nowhere', (plan.blocked ?? []).map(line), 'lines');
  list('Worth a thought', plan.warnings);
  list('If an assembly is lost', (plan.failover ?? []).map(it => it.text));
  const { warnings = [], unasked = [] } = plan.agents ?? {};
  list('What the guests’ agents say', warnings.map(it => `${it.line ? `${it.line}:${it.column} ` : ''}${it.message}`));
  list('Not checked with the guests’ agents', unasked.map(it => [[it.agent, it.assembly].filter(Boolean).join(' in '), it.reason].filter(Boolean).join(': ')));
  return box;
}
function line(action) {
  const way = action.from && action.to && action.from !== action.to ? `${action.from} → ${action.to}` : action.to || action.from;
  return make('li', {}, make('span', { 'aria-hidden': 'true' }, MARKS[action.action] ?? '·'), make('span', { class: 'does' }, action.action),
    make('span', {}, make('b', {}, action.service || ''), action.service && way ? ' ' : '', way || ''), action.reason && make('span', { class: 'reason' }, action.reason));
}
export const size = what => plural((what.plan.actions ?? []).filter(it => it.action !== 'leave').length, 'action');
export const holds = what => !(what.plan.refused?.length);
