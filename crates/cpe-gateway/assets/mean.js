// What verbs mean that the gateway does not plan: said in sentences, with what is known to follow.
import { Refused, ask, make } from './ask.js';

const subject = () => document.getElementById('subject').dataset;
const place = () => `/v1/deployments/${encodeURIComponent(subject().deployment)}`;

// verb: what is said, which name is typed, and what is done then; nothing, if it cannot be.
export const MEANINGS = {
  fence: wanted => {
    const { assembly, power } = wanted;
    const give = once(wanted);
    if (power === 'on') return { says: [`${assembly} is switched on, if it is safe.`], give };
    const after = power === 'off' ? 'It stays off until somebody switches it on.' : 'It is switched on again.';
    return { says: [`${assembly} loses its power at once, with all that runs there. What can run elsewhere starts there. ${after}`, without(assembly)], typed: assembly, give };
  },
  'confirm-fenced': wanted => {
    const { assembly } = wanted;
    const column = document.getElementById(`asm-${assembly}`);
    // Of the loss that is shown now, and of no later one.
    const attempt = column?.dataset.attempt;
    if (!attempt) return { says: [`${assembly} is not being made safe: there is nothing to confirm.`] };
    const warning = `You say that nothing runs in ${assembly}. If something does, services run twice, and data may be destroyed. Look at the machine first.`;
    return { says: [column.querySelector('.reason')?.innerText ?? '', make('p', { class: 'wrong' }, warning)], typed: assembly, give: once({ ...wanted, attempt }) };
  },
  destroy: ({ services }, { deployment, generation } = subject()) => ({
    says: [`The deployment ends, and its document is gone. Its services ${services === 'keep' ? 'go on, and nobody watches them' : 'are stopped'}.`],
    typed: deployment,
    give: async () => {
      await ask('DELETE', `${place()}?services=${services}`, null, { 'If-Match': `"g${generation}"` });
      location.assign('/');
    },
  }),
};

// Does it once, however often the button is pressed: the key is made when it is shown.
function once({ verb, ...order }) {
  const key = crypto.randomUUID(), all = `${place()}/operations`;
  for (const name in order) if (!order[name]) delete order[name];
  order.operation = verb;
  return async more => {
    let told = await ask('POST', all, order, { 'Idempotency-Key': key });
    while (told.state === 'running') {
      more.replaceChildren(make('p', {}, 'It is being done …'));
      told = await ask('GET', `${all}/${key}?wait=30s`);
    }
    if (told.problem) throw new Refused(told.problem);
  };
}

// What would follow without an assembly, as the page about that has it. It is asked until it is known.
function without(assembly) {
  const box = make('div', { 'aria-live': 'polite' }, 'What would follow is being simulated …');
  const request = new XMLHttpRequest();
  const look = () => {
    request.open('GET', `${place().slice(3)}/what-if?lose=${encodeURIComponent(assembly)}`);
    request.setRequestHeader('Accept', 'text/html');
    request.responseType = 'document';
    request.send();
  };
  request.onloadend = () => {
    const { status, response } = request;
    const part = name => response?.querySelector(name);
    const reason = part('#main > p')?.innerText ?? '';
    box.replaceChildren(part('#losses') || `What would follow is not known: ${reason}`);
    if ([429, 503].includes(status)) setTimeout(() => box.isConnected && look(), 1000);
  };
  look();
  return box;
}
