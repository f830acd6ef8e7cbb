/** The first-day tour, walked by its reader on drill data. */
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { clean, findings, still, withoutMap } from './axe';
import { CHROMIUM, launch, open, tooWide } from './browser';
import { BINARY, Pantau, until } from './pantau';

if (BINARY === null || CHROMIUM === null) console.warn(`skipped, no ${BINARY === null ? 'pantau binary (PANTAU_BIN)' : 'Chromium (CHROMIUM_BIN)'}: e2e/tour.test.ts`);

describe.skipIf(BINARY === null || CHROMIUM === null)('the first-day tour', { timeout: 300_000 }, () => {
  let server: Pantau;
  let browser: Browser;

  beforeAll(async () => {
    [server, browser] = await Promise.all([Pantau.start(), launch()]);
    const endDrill = server.drill(60);
    await until(60_000, () => 'a drill', async () => (await server.get('/api/v1/incidents?drill=true&status=new&limit=1')).numberMatched > 3);
    await endDrill();
  });

  afterAll(async () => {
    await browser?.close();
    await server?.remove();
  });

  it('is offered during a drill, sees what its reader does, and is not offered again', async () => {
    const console = await open(browser, `${server.url}/console`, 1366, 768, async (page) => {
      await still(page);
      await withoutMap(page);
    });
    const { page } = console;
    await page.waitForSelector('[data-tour-offer]');
    expect(await findings(page)).toEqual([]);
    await page.click('[data-tour-offer] .strong');
    const next = async (step: string): Promise<void> => {
      await page.click('[data-next]');
      await page.waitForSelector(`[data-tour="${step}"]`);
      await clean(page, `tour, ${step}`);
    };
    await page.waitForSelector('[data-tour="welcome"]');
    await next('queue');
    await next('open');
    await page.waitForSelector('[data-tour="open"][data-done="false"]');
    // The tour takes no key from the console.
    await page.keyboard.press('j');
    await page.waitForSelector('[data-tour="open"][data-done="true"]');
    await next('verify');
    await page.waitForSelector('[data-action="verify"]');
    await page.keyboard.press('v');
    await page.waitForSelector('[data-tour="verify"][data-done="true"]');
    await next('assign');
    await page.keyboard.press('t');
    await page.waitForSelector('[data-option="dinsos"]');
    await page.keyboard.press('7');
    await page.waitForSelector('[data-tour="assign"][data-done="true"]');
    await next('find');
    await page.keyboard.press('/');
    await page.waitForSelector('[data-tour="find"][data-done="true"]');
    await page.keyboard.press('Escape');
    await next('handover');
    await page.click('[data-next]');
    await page.waitForSelector('[data-tour]', { state: 'detached' });
    await page.reload();
    await page.waitForSelector('[data-row]');
    await page.waitForSelector('.console header .drill');
    expect(await page.locator('[data-tour-offer]').count()).toBe(0);
    // But whoever wants it again finds it in the help.
    await page.keyboard.press('?');
    await page.click('[data-begin-tour]');
    await page.waitForSelector('[data-tour="welcome"]');
    await console.close();
  });

  it('fits a phone, in English', async () => {
    const console = await open(browser, `${server.url}/console?tour=1&lang=en`, 390, 844, async (page) => {
      await still(page);
      await withoutMap(page);
    });
    await console.page.waitForSelector('[data-tour="welcome"]');
    expect(await console.page.innerText('[data-tour]')).toContain('This is your desk');
    expect(await tooWide(console.page)).toEqual([]);
    expect(await findings(console.page)).toEqual([]);
    await console.close();
  });
});
