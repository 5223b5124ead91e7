// The lab in which the browser looks: commands in it, the browser, and what is held against every page.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

const { MODULES, SHOTS, SCRIPTS, LAB_NAME } = process.env;
const require = createRequire(`${MODULES}/`);
const { chromium } = require('playwright-core');
const axe = readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8');
mkdirSync(SHOTS, { recursive: true });

/// Runs a shell script in the lab.
export function sh(script) {
  return execFileSync(`${SCRIPTS}/private-system.sh`, ['exec', LAB_NAME, 'bash', '-euo', 'pipefail', '-c', script], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
}

const browser = await chromium.launch({
  executablePath: '/usr/bin/chromium',
  args: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
});

/// Where each viewer finds the gateway.
export const PLACES = { alice: 'http://localhost:8080', bob: 'http://localhost:8081', nobody: 'https://localhost:7443' };
/// What must not have happened on any page.
export const wrongs = [];
/// How many pages were held against axe.
export const looked = { pages: 0 };

/// A new browser for a viewer, without a past.
export async function open(who, path, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, baseURL: PLACES[who], ignoreHTTPSErrors: true, ...options });
  if (options.javaScriptEnabled !== false) {
    await context.exposeFunction('violated', text => wrongs.push(`against the policy: ${text}`));
    await context.addInitScript(() => {
      document.addEventListener('securitypolicyviolation', event => window.violated(`${event.violatedDirective} ${event.blockedURI} ${event.sample}`));
      window.mark = Math.random();
    });
  }
  const page = await context.newPage();
  page.on('request', request => {
    const { host } = new URL(request.url());
    if (host !== new URL(PLACES[who]).host) wrongs.push(`asked another host: ${request.url()}`);
  });
  page.on('pageerror', error => wrongs.push(`${path}: ${error.message}`));
  page.on('console', line => {
    // What is refused is looked at where it is expected.
    if (line.type() === 'error' && !/Failed to load resource|ERR_|net::/.test(line.text())) wrongs.push(`${path}: ${line.text()}`);
  });
  await page.goto(path);
  return page;
}
export const close = page => page.context().close();
export const end = () => browser.close();
/// Which major version of the browser looks.
export const version = browser.version().split('.')[0];

/// What is to be seen now, for whoever reads why a test failed.
export async function seen() {
  const pages = browser.contexts().flatMap(context => context.pages());
  const told = await Promise.all(pages.map(async page => {
    const shown = await page.locator('dialog[open], body').allInnerTexts();
    return `${page.url()}\n${shown.reverse().map(it => it.slice(0, 1200)).join('\n--\n')}`;
  }));
  return told.join('\n---\n');
}

/// Nothing that axe finds serious, in light and in dark.
export async function isAccessible(page, what) {
  for (const colorScheme of ['light', 'dark']) {
    await page.emulateMedia({ colorScheme });
    await page.evaluate(axe);
    const found = await page.evaluate(() => window.axe.run(document, { resultTypes: ['violations'] }));
    const serious = found.violations.filter(it => it.impact === 'serious' || it.impact === 'critical');
    const told = serious.map(it => `${it.id}: ${it.help}: ${it.nodes.slice(0, 3).map(node => node.html.slice(0, 160)).join(' | ')}`);
    assert.deepEqual(told, [], `${what}, ${colorScheme}`);
    looked.pages += 1;
  }
  await page.emulateMedia({ colorScheme: null });
}

export const shot = (page, name, fullPage = true) => page.screenshot({ path: `${SHOTS}/${name}.png`, fullPage, animations: 'disabled' });

/// The assembly in whose column a service's card is.
export const column = (page, service) => page.evaluate(name => {
  const card = document.querySelector(`.card[data-move="${name}"]`);
  return card?.closest('.column').dataset.assembly ?? '';
}, service);

/// Waits until something holds; says what has not.
export async function until(what, holds, seconds = 30) {
  const begin = Date.now();
  while (!await holds()) {
    assert.ok(Date.now() - begin < seconds * 1000, `not within ${seconds} s: ${what}`);
    await new Promise(done => setTimeout(done, 100));
  }
  return Date.now() - begin;
}

/// A page that is as wide as its window, and no wider.
export async function isNarrow(page, what) {
  const widths = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
  assert.ok(widths[0] <= widths[1], `${what} is ${widths[0]} wide in ${widths[1]}`);
}
