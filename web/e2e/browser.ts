/** Debian's Chromium, drawing in software, and pages that note every request that leaves the host. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { chromium, type Browser, type Page } from 'playwright-core';

export const CHROMIUM: string | null = [process.env.CHROMIUM_BIN, '/usr/bin/chromium'].find((path): path is string => path !== undefined && existsSync(path)) ?? null;

/** With `DIST=dist` the pages come from there, and not from inside the program: a change of a page needs no new program. */
const DIST = process.env.DIST;

export function launch(): Promise<Browser> {
  return chromium.launch({
    ...(CHROMIUM !== null && { executablePath: CHROMIUM }),
    headless: true,
    args: [
      '--no-sandbox',
      '--enable-unsafe-swiftshader',
      '--use-angle=swiftshader',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
      // What the test itself answers comes from no address, and may not open a socket to this machine.
      ...(DIST === undefined ? [] : ['--disable-features=LocalNetworkAccessChecks']),
    ],
  });
}

export interface Opened {
  readonly page: Page;
  /** Addresses asked for, without those of data and blobs. */
  readonly asked: string[];
  readonly errors: string[];
  close(): Promise<void>;
}

async function fromFolder(page: Page, folder: string): Promise<void> {
  await page.route(/^http:[/][/][^/]+[/](?!api[/]|tiles[/])/, (route) => {
    const { pathname } = new URL(route.request().url());
    const file = join(folder, /[.]/.test(pathname) ? pathname : `${pathname === '/' ? '/index' : pathname}.html`);
    return existsSync(file) ? route.fulfill({ path: file }) : route.continue();
  });
}

/** `before` sees the page before it loads. */
export async function open(browser: Browser, url: string, width: number, height: number, before?: (page: Page) => Promise<void>): Promise<Opened> {
  const context = await browser.newContext({ viewport: { width, height }, hasTouch: width < 600, locale: 'id-ID' });
  const page = await context.newPage();
  const asked: string[] = [];
  const errors: string[] = [];
  page.on('request', (request) => {
    if (!/^(data|blob):/.test(request.url())) asked.push(request.url());
  });
  page.on('websocket', (socket) => asked.push(socket.url()));
  page.on('pageerror', (error) => errors.push(error.message));
  page.on('console', (message) => {
    if (message.type() === 'error' && /Content Security Policy|maplibre|pantau:/i.test(message.text())) errors.push(message.text());
  });
  if (DIST !== undefined) await fromFolder(page, DIST);
  await before?.(page);
  await page.goto(url);
  return { page, asked, errors, close: () => context.close() };
}

/** What of the page reaches beyond the right edge of the window, the widest first; empty when nothing makes it scroll. */
export function tooWide(page: Page): Promise<string[]> {
  return page.evaluate(() => {
    const width = Math.max(document.documentElement.scrollWidth, document.body.scrollWidth);
    if (width <= innerWidth) return [];
    const clipped = (one: Element): boolean => {
      const parent = one.parentElement;
      return parent !== null && parent !== document.body && (getComputedStyle(parent).overflowX !== 'visible' || clipped(parent));
    };
    const widest = [...document.querySelectorAll('body *')]
      .map((one) => ({ one, right: one.getBoundingClientRect().right }))
      .filter(({ one, right }) => right > innerWidth && !clipped(one))
      .sort((a, b) => b.right - a.right)
      .slice(0, 5)
      .map(({ one, right }) => `<${one.tagName.toLowerCase()} class="${one.getAttribute('class') ?? ''}"> "${(one.textContent ?? '').trim().slice(0, 40)}" ends at ${right.toFixed(1)}`);
    return [`the page is ${width} wide in a window of ${innerWidth}`, ...widest];
  });
}
