/** The console looking back, and on a phone: against the real server, held against axe. */
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { findings, still } from './axe';
import { CHROMIUM, launch, open, tooWide, type Opened } from './browser';
import { desk, LIVE } from './desk';
import { BINARY, Pantau, until } from './pantau';

if (BINARY === null || CHROMIUM === null) console.warn(`skipped, no ${BINARY === null ? 'pantau binary (PANTAU_BIN)' : 'Chromium (CHROMIUM_BIN)'}: e2e/console_past.test.ts`);

describe.skipIf(BINARY === null || CHROMIUM === null)('the console and the past', { timeout: 300_000 }, () => {
  let server: Pantau;
  let browser: Browser;
  let incident: string;

  beforeAll(async () => {
    [server, browser] = await Promise.all([Pantau.start(), launch()]);
    incident = await server.report('water', 127.3841, 0.7911);
  });

  afterAll(async () => {
    await browser?.close();
    await server?.remove();
  });

  const look = (path: string, width: number, height: number): Promise<Opened> =>
    open(browser, server.url + path, width, height, async (page) => {
      await still(page);
      await desk(page);
    });
  const clean = async ({ page }: Opened, state: string): Promise<void> => {
    const found = await findings(page);
    expect.soft(found, `${state}:\n${found.join('\n')}`).toEqual([]);
  };
  const momentMs = async (page: Page): Promise<number> => Date.parse((await page.getAttribute('[data-past]', 'data-past')) ?? '');

  it('one key shows what was known, nothing can be done to it, one key leads back', async () => {
    const console = await look(`/console?incident=i:${incident}`, 1366, 768);
    const { page } = console;
    await page.waitForSelector('[data-action="verify"]');
    const now = (await server.get('/api/v1/stats')).by_status.new;
    await page.keyboard.press('d');
    await page.waitForSelector('[data-past]:not([data-past=""])');
    // A quarter of an hour ago this server knew of nothing.
    expect(await page.textContent('[data-counter="new"]')).toBe('0');
    expect(await page.textContent('[data-band="past"]')).toContain('bukan keadaan sekarang');
    expect(await page.textContent('[data-band="past"]')).toContain(`Sekarang: ${now} belum diverifikasi`);
    expect(await page.locator('[data-phase]').count()).toBe(0);
    expect(await page.locator('[data-row]:visible, [data-actions]:visible').count()).toBe(0);
    expect(new URL(page.url()).searchParams.get('at')).not.toBeNull();
    await clean(console, 'the past');
    for (const key of ['v', 't', 'x', 'n', 'j', '/', 'f', ' ']) await page.keyboard.press(key);
    await page.waitForSelector('[data-playing="true"]');
    await page.keyboard.press(' ');
    await page.waitForSelector('[data-playing="false"]');
    expect(await page.locator('dialog, [data-form], [data-undo]').count()).toBe(0);
    expect((await server.get(`/api/v1/incidents/${incident}`)).properties.version).toBe(1);

    await page.keyboard.press('End');
    await page.waitForFunction((n) => document.querySelector('[data-counter="new"]')?.textContent === String(n), now);
    const before = await momentMs(page);
    await page.keyboard.press('Shift+ArrowLeft');
    await until(20_000, () => 'a quarter of an hour back', async () => (await momentMs(page)) === before - 15 * 60_000);
    await page.keyboard.press('ArrowUp');
    await page.waitForSelector('[data-speed="300"][aria-pressed="true"]');

    // Of all commands there are the way back, help and the language.
    await page.keyboard.press('Control+k');
    await page.waitForSelector('[data-option="replay"]');
    expect(await page.locator('[data-option]').count()).toBe(3);
    await page.keyboard.press('Escape');
    await page.waitForSelector('dialog', { state: 'detached' });

    await page.keyboard.press('Escape');
    await page.waitForSelector('[data-past]', { state: 'detached' });
    await page.waitForSelector(LIVE);
    await page.waitForSelector(`[data-row="i:${incident}"]`);
    await page.waitForSelector(`[data-incident="i:${incident}"]`);
    const address = new URL(page.url()).searchParams;
    expect([address.get('at'), address.get('speed'), address.get('incident')]).toEqual([null, null, `i:${incident}`]);
    await page.keyboard.press('v');
    await page.waitForSelector('[data-undo="verify"]');
    await page.keyboard.press('Control+z');
    await console.close();
  });

  it('an address names a moment, and the command for it is in the list', async () => {
    const at = new Date(Math.floor(Date.now() / 1000) * 1000 - 3_600_000).toISOString().replace('.000Z', 'Z');
    const console = await look(`/console?lang=en&at=${at}&speed=600`, 1440, 900);
    const { page } = console;
    await page.waitForSelector(`[data-past="${at.replace('Z', '.000Z')}"]`);
    expect(await page.textContent('[data-band="past"]')).toContain('not how it stands now');
    await page.waitForSelector('[data-speed="600"][aria-pressed="true"]');
    await page.click('[data-back]');
    await page.waitForSelector('[data-past]', { state: 'detached' });
    expect(new URL(page.url()).search).toBe('?lang=en');
    await page.keyboard.press('Control+k');
    await page.waitForSelector('[data-option="replay"]');
    await page.click('[data-option="replay"]');
    await page.waitForSelector('[data-past]');
    await console.close();
  });

  it('on a phone an address with an incident opens it, and the past fits', async () => {
    const phone = await look(`/console?incident=i:${incident}`, 390, 844);
    const { page } = phone;
    await page.waitForSelector('[data-action="verify"]');
    expect(await page.locator('[data-row]:visible').count()).toBe(0);
    expect(await tooWide(page)).toEqual([]);
    await page.click('[data-show="queue"]');
    await page.waitForSelector(`[data-row="i:${incident}"]`);
    await page.keyboard.press('d');
    await page.waitForSelector('[data-past]:not([data-past=""])');
    await page.waitForSelector('[data-counter="new"]');
    expect(await tooWide(page)).toEqual([]);
    await clean(phone, 'the past on a phone');
    await phone.close();
  });
});
