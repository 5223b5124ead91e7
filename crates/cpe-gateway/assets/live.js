// Keeps the page as new as the mirror: follows the events, and fetches the page again when
// something has happened. It says so when it cannot.

const SILENCE = 10_000;
// After an event the status follows within half a second, or with its next step.
const LOOK_AFTER = [60, 300, 700, 1500];
const ALWAYS = 5000;
const BUSY = 1000;
const AT_MOST_EVERY = 200;
// An explanation takes the host as long as a decision.
const SELDOM = 5000, RARELY = 60_000;
const PATIENCE = 8000;

export function follow(main, show) {
  const about = main.dataset.about;
  const isLiving = main.hasAttribute('data-living');
  const isCostly = document.body.dataset.kind === 'explain';
  const version = main.dataset.version;
  let last = '', heard = Date.now(), fetched = Date.now(), wasFetched = true;
  let looking = false, looked = 0, spent = 0, timer = 0, wanted = [], control = null, pause = 500, isAlone = false;

  // --- looking at the page again
  function want(delays) {
    const now = Date.now();
    wanted = wanted.concat(delays.map(delay => now + delay)).sort((a, b) => a - b);
    arm();
  }
  function arm() {
    clearTimeout(timer);
    if (looking || !isLiving || document.hidden) return;
    const next = wanted[0] ?? fetched + (isCostly ? RARELY : main.hasAttribute('data-busy') ? BUSY : ALWAYS);
    const pause = isCostly ? SELDOM : Math.max(AT_MOST_EVERY, 4 * Math.min(spent, 400));
    timer = setTimeout(look, Math.max(next - Date.now(), looked + pause - Date.now(), 0));
  }
  function look() {
    looking = true;
    looked = Date.now();
    wanted = wanted.filter(time => time > looked);
    // A document that a request has parsed: no text becomes markup here.
    const request = new XMLHttpRequest();
    request.open('GET', location.href);
    request.responseType = 'document';
    request.timeout = PATIENCE;
    request.setRequestHeader('Accept', 'text/html');
    request.onloadend = () => {
      looking = false;
      spent = Date.now() - looked;
      const page = request.response?.getElementById('main');
      if (page && (request.status === 200 || request.status === 404)) {
        fetched = Date.now();
        wasFetched = true;
        if (request.status === 404) page.dataset.about = about;
        show(page);
        tell(main);
      } else if (request.status === 401) {
        wasFetched = false;
        isAlone = true;
      } else {
        wasFetched = false;
        want([request.status === 429 ? 3000 : 1000]);
      }
      light();
      arm();
    };
    request.send();
  }

  // --- following the events
  async function listen() {
    control = new AbortController();
    const address = new URL('/v1/events/stream', location.href);
    if (about) address.searchParams.set('deployment', about);
    const headers = { Accept: 'text/event-stream' };
    if (last) headers['Last-Event-ID'] = last;
    try {
      const answer = await fetch(address, { headers, signal: control.signal, cache: 'no-store' });
      if (answer.status === 401) { isAlone = true; return light(); }
      if (!answer.ok) throw new Error(answer.status);
      const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
      let text = '';
      want([0]);
      for (;;) {
        const { done, value } = await reader.read();
        if (done) break;
        heard = Date.now();
        pause = 500;
        text += value;
        const pieces = text.split('\n\n');
        text = pieces.pop();
        for (const piece of pieces) take(piece);
        light();
      }
    } catch { /* it is tried again */ }
    if (!document.hidden) setTimeout(listen, pause);
    pause = Math.min(pause * 1.5, 4000);
  }
  function take(piece) {
    const lines = piece.split('\n');
    const id = lines.find(line => line.startsWith('id: '));
    if (!id) return;
    last = id.slice(4);
    want(LOOK_AFTER);
  }

  // --- saying how new it is
  const banner = document.getElementById('banner');
  const lamp = document.getElementById('live');
  function light() {
    const now = Date.now();
    const isSilent = now - heard > SILENCE || (!wasFetched && now - fetched > SILENCE);
    const isAway = main.dataset.live === 'no';
    const isStale = isSilent || isAway || isAlone;
    document.documentElement.classList.toggle('stale', isStale);
    lamp.textContent = isStale ? 'not live' : 'live';
    lamp.title = `looked at ${Math.round((now - fetched) / 100) / 10} s ago`;
    const since = new Date(isAway ? Number(main.dataset.answered) || fetched : Math.min(heard, fetched));
    const text = isAlone ? 'You are not logged in any more: reload this page.'
      : isSilent ? `Not live since ${clock(since)}: the gateway does not answer. What is shown is of then.`
        : isAway ? `Not live since ${clock(since)}: cpe does not answer (systemctl status cpe). What is shown is of then.`
          : main.dataset.version !== version ? 'The gateway has another version now: reload this page.' : '';
    if (banner.textContent !== text) banner.textContent = text;
    banner.hidden = text === '';
  }
  setInterval(light, 500);

  // A page that nobody sees follows nothing; it goes on where it was.
  document.addEventListener('visibilitychange', () => {
    if (document.hidden) return control?.abort();
    heard = Date.now();
    listen();
  });
  if (!document.hidden) listen();
  light();
}

function clock(time) {
  return `${time.toISOString().slice(11, 19)} UTC`;
}

// What has changed, for those who do not see it: in words, not more often than every 5 s.
let before = null, said = 0, sentences = [];
function tell(main) {
  const now = new Map([...main.querySelectorAll('[data-move]')].map(card => [card.id, card]));
  const is = new Map([...now].map(([id, card]) => [id, `${card.dataset.move} is ${card.dataset.state}${card.dataset.on ? ` on ${card.dataset.on}` : ''}`]));
  for (const row of main.querySelectorAll('tr[data-find]')) is.set(`row ${row.dataset.find}`, `${row.dataset.find} is ${row.dataset.state}`);
  if (before) for (const [id, text] of is) if (before.get(id) !== text) sentences.push(text);
  before = is;
  document.title = `${main.dataset.title} – Cloud Policy Engine`;
  if (sentences.length === 0 || Date.now() - said < 5000) return;
  said = Date.now();
  document.getElementById('told').textContent = sentences.slice(-4).join('. ');
  sentences = [];
}
