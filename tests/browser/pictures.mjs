// How the page looks, held against pictures that are kept in `pictures/`. What differs at each run is made the same before: times, ages,
// the host's name. What is a list of what happened is left out. The page is that of the real gateway, with its style and icons.
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
import { close, open, version } from './lab.mjs';

const { MODULES, SHOTS, RECORD_PICTURES } = process.env;
const require = createRequire(`${MODULES}/`);
const { PNG } = require('pngjs');
const { default: pixelmatch } = await import(pathToFileURL(require.resolve('pixelmatch')));

const KEPT = new URL('./pictures/', import.meta.url).pathname;
/// Of a picture's dots, so many may be of another colour: edges of letters come out a little otherwise with each version of the browser. 0.2 %
/// would let a button of another colour pass.
const TOLERATED = 0.0005;
/// How each is looked at.
const LOOKS = {
  light: { colorScheme: 'light' },
  dark: { colorScheme: 'dark' },
  print: { colorScheme: 'light', media: 'print' },
  'no-scripts': { colorScheme: 'light', javaScriptEnabled: false },
  320: { colorScheme: 'light', viewport: { width: 320, height: 640 } },
};

/// Looks at a page in each way. Says how many dots differ.
export async function looksAsKept(who, path) {
  const still = await stilled(who, path);
  for (const [name, look] of Object.entries(LOOKS)) {
    const { media, ...options } = look;
    const page = await open(who, 'about:blank', options);
    await page.route('**/*.js', route => route.abort());
    await page.route(`**${path}`, route => route.fulfill({ body: still, contentType: 'text/html; charset=utf-8' }));
    await page.goto(path);
    await page.emulateMedia({ media: media ?? 'screen', colorScheme: look.colorScheme });
    const now = await page.screenshot({ fullPage: true, animations: 'disabled', caret: 'hide' });
    await close(page);
    compare(name, now);
  }
}

/// The page as the gateway sends it, without what differs at each run.
async function stilled(who, path) {
  // The page's own policy lets nobody read HTML there.
  const page = await open(who, 'about:blank');
  const text = await (await page.request.get(path)).text();
  const still = await page.evaluate(text => {
    const document = new DOMParser().parseFromString(text, 'text/html');
    const all = selector => [...document.querySelectorAll(selector)];
    all('#story, #transition, #events > :not(h2), meta[http-equiv=refresh]').forEach(it => it.remove());
    // It is found out half a minute after the last change.
    all('.facts li').filter(it => it.textContent.startsWith('room for one loss')).forEach(it => it.remove());
    all('#live').forEach(it => { it.textContent = 'live'; });
    all('.host').forEach(it => { it.textContent = 'host'; });
    const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walk.nextNode()) {
      const node = walk.currentNode;
      node.data = node.data.replace(/\d{4}-\d\d-\d\d/g, '2026-01-31').replace(/\b\d\d:\d\d(:\d\d(\.\d+)?)?\b/g, '12:00:00')
        .replace(/\b\d+(\.\d+)?\s?(ms|s|min|h|d|days?)\b/g, '1 min');
    }
    // The same letters on every machine that has them (fonts-dejavu-core).
    const style = document.createElement('style');
    style.textContent = '*, ::before, ::after { font-family: "DejaVu Sans" !important; } code, code *, kbd { font-family: "DejaVu Sans Mono" !important; }';
    document.head.append(style);
    return `<!DOCTYPE html>${document.documentElement.outerHTML}`;
  }, text);
  await close(page);
  return still;
}

function compare(name, now) {
  const place = `${KEPT}${name}.png`;
  if (RECORD_PICTURES) {
    mkdirSync(KEPT, { recursive: true });
    writeFileSync(place, now);
    writeFileSync(`${KEPT}browser`, `${version}\n`);
    console.log(`  ${name}: kept as ${place}`);
    return;
  }
  assert.ok(existsSync(place), `there is no ${place}: RECORD_PICTURES=1 makes one; look at it before it is committed`);
  writeFileSync(`${SHOTS}/picture-${name}.png`, now);
  // Another version draws letters and edges otherwise: what differs then says nothing of the page.
  const by = readFileSync(`${KEPT}browser`, 'utf8').trim();
  if (by !== version) {
    console.log(`  ${name}: not judged: the picture was made by version ${by} of the browser, and this is ${version}; RECORD_PICTURES=1 makes new ones`);
    return;
  }
  const [was, is] = [PNG.sync.read(readFileSync(place)), PNG.sync.read(now)];
  const told = `${name}: ${SHOTS}/picture-${name}.png is not what ${place} is`;
  assert.deepEqual([is.width, is.height], [was.width, was.height], `${told}: another size`);
  const marked = new PNG({ width: is.width, height: is.height });
  const differ = pixelmatch(was.data, is.data, marked.data, is.width, is.height, { threshold: 0.1 });
  const part = differ / (is.width * is.height);
  console.log(`  ${name}: ${(part * 100).toFixed(3)} % of ${is.width} × ${is.height} dots differ from the kept picture`);
  if (part <= TOLERATED) return;
  writeFileSync(`${SHOTS}/picture-${name}-differs.png`, PNG.sync.write(marked));
  assert.fail(`${told}: ${(part * 100).toFixed(2)} % of its dots differ, marked in picture-${name}-differs.png. If that is meant: RECORD_PICTURES=1`);
}
