/** A page that looks elsewhere and gets no answer says that it shows the view before, and asks until it is answered. */
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CHROMIUM, launch, open, tooWide } from './browser';
import { LIVE } from './desk';
import { Line } from './line';
import { BINARY, Pantau } from './pantau';

if (BINARY === null || CHROMIUM === null) console.warn(`skipped, no ${BINARY === null ? 'pantau binary (PANTAU_BIN)' : 'Chromium (CHROMIUM_BIN)'}: e2e/behind.test.ts`);

async function lookElsewhere(page: Page): Promise<void> {
  await page.focus('.map canvas');
  await page.keyboard.press('=');
}

describe.skipIf(BINARY === null || CHROMIUM === null)('a view that is not answered', () => {
  let server: Pantau;
  let browser: Browser;

  beforeAll(async () => {
    [server, browser] = await Promise.all([Pantau.start(), launch()]);
    await server.act(await server.report('water', 127.3841, 0.7911), 'verify');
  });

  afterAll(async () => {
    await browser?.close();
    await server?.remove();
  });

  const PAGES = [
    { path: '/wall', size: [1920, 1080], lang: 'id', ready: LIVE },
    { path: '/field', size: [390, 844], lang: 'en', ready: LIVE },
    { path: '/embed', size: [390, 480], lang: 'id', ready: '.state[data-phase="live"]' },
    { path: '/console', size: [1366, 768], lang: 'en', ready: LIVE },
  ] as const;
  const SAYS = { id: /^Yang terlihat masih tampilan sebelumnya.* terlalu banyak layar/, en: /^What you see is still the view before.* too many screens/ };

  for (const { path, size: [width, height], lang, ready } of PAGES) {
    it(`${path} says so while the server refuses it, and no longer once it is answered`, async () => {
      const line = new Line();
      const { page, errors, close } = await open(browser, `${server.url}${path}?lang=${lang}`, width, height, (page) => line.runThrough(page));
      await page.waitForSelector(ready);
      await page.waitForSelector('.map canvas');
      expect(await page.locator('[data-behind]:visible').count()).toBe(0);
      line.questions = 'refused';
      await lookElsewhere(page);
      await page.waitForSelector('[data-behind]');
      expect(await page.textContent('[data-behind]')).toMatch(SAYS[lang]);
      // The view before goes on.
      await page.waitForSelector(ready);
      expect(await tooWide(page)).toEqual([]);
      line.questions = 'answered';
      await page.waitForSelector('[data-behind]', { state: 'hidden', timeout: 30_000 });
      expect(errors).toEqual([]);
      await close();
    });
  }

  it('a wall whose question was lost says so, and asks it on another line', async () => {
    const line = new Line();
    const { page, close } = await open(browser, `${server.url}/wall`, 1920, 1080, (page) => line.runThrough(page));
    await page.waitForSelector(LIVE);
    await page.waitForSelector('.map canvas');
    line.questions = 'lost';
    await lookElsewhere(page);
    await page.waitForSelector('[data-behind]');
    expect(await page.textContent('[data-behind]')).toMatch(/Server belum menjawab; ditanyakan lagi otomatis/);
    line.questions = 'answered';
    await page.waitForSelector('[data-behind]', { state: 'hidden', timeout: 60_000 });
    await page.waitForSelector(LIVE);
    await close();
  });
});
