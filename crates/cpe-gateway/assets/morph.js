// Makes one tree like another, and lets what has another place move there.

const DURATION = 700;
const still = matchMedia('(prefers-reduced-motion: reduce)');

export function morph(from, to) {
  const focus = document.activeElement;
  const places = new Map([...from.querySelectorAll('[data-move]')].map(card => [card, card.getBoundingClientRect()]));
  const known = new Map([...from.querySelectorAll('[id]')].map(node => [node.id, node]));
  attributes(from, to, new Set(['data-about']));
  children(from, to, known);
  if (focus && focus !== document.activeElement && from.contains(focus)) focus.focus({ preventScroll: true });
  if (!still.matches) for (const [card, place] of places) if (card.isConnected) move(card, place);
}

function children(from, to, known) {
  let at = from.firstChild;
  for (const wanted of to.childNodes) {
    let node = wanted.id ? known.get(wanted.id) : null;
    if (!node && !wanted.id && at && at.nodeName === wanted.nodeName && !at.id) node = at;
    if (!node || node.nodeName !== wanted.nodeName) node = document.importNode(wanted, false);
    if (node === at) at = at.nextSibling;
    else from.insertBefore(node, at);
    if (node.nodeType !== Node.ELEMENT_NODE) {
      if (node.nodeValue !== wanted.nodeValue) node.nodeValue = wanted.nodeValue;
    } else if (!node.hasAttribute('data-keep') || !node.hasChildNodes()) {
      attributes(node, wanted);
      children(node, wanted, known);
    }
  }
  while (at) {
    const next = at.nextSibling;
    at.remove();
    at = next;
  }
}

function attributes(from, to, kept = new Set()) {
  for (const { name, value } of to.attributes) {
    if (!kept.has(name) && from.getAttribute(name) !== value) from.setAttribute(name, value);
  }
  for (const { name } of [...from.attributes]) {
    if (!to.hasAttribute(name) && !kept.has(name) && name !== 'open' && name !== 'style') from.removeAttribute(name);
  }
}

function move(card, place) {
  const now = card.getBoundingClientRect();
  const x = place.left - now.left, y = place.top - now.top;
  if (Math.abs(x) + Math.abs(y) < 2) return;
  const far = Math.abs(x) > 20;
  const frames = [{ transform: `translate(${x}px, ${y}px)` }, { transform: 'none' }];
  if (far) card.classList.add('moving');
  const run = card.animate(frames, { duration: far ? DURATION : DURATION / 2, easing: 'cubic-bezier(.2, .8, .2, 1)' });
  run.onfinish = run.oncancel = () => card.classList.remove('moving');
}
