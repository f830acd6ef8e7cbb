/** The console's search against the real server: parts of codes, places, words, and telephones with a reason. */
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { findings, still } from './axe';
import { CHROMIUM, launch, open, type Opened } from './browser';
import { desk, LIVE, PASSWORD, signIn } from './desk';
import { BINARY, Pantau, until } from './pantau';

if (BINARY === null || CHROMIUM === null) console.warn(`skipped, no ${BINARY === null ? 'pantau binary (PANTAU_BIN)' : 'Chromium (CHROMIUM_BIN)'}: e2e/console_search.test.ts`);

describe.skipIf(BINARY === null || CHROMIUM === null)('the center’s search', { timeout: 300_000 }, () => {
  const PHONE = '0812 3456 7890';
  let server: Pantau;
  let browser: Browser;
  let code: string;
  let incident: string;

  beforeAll(async () => {
    [server, browser] = await Promise.all([Pantau.start(), launch()]);
    ({ code, incident } = await server.post('/api/v1/reports', { category: 'water', lng: 127.3841, lat: 0.7911, description: 'pipa pecah di belakang masjid', reporter: { name: 'Siti', phone: PHONE } }));
    await server.report('garbage', 127.3702, 0.7721);
  });

  afterAll(async () => {
    await browser?.close();
    await server?.remove();
  });

  const look = (path: string, width = 1366, height = 768): Promise<Opened> =>
    open(browser, server.url + path, width, height, async (page) => {
      await still(page);
      await desk(page);
    });
  const clean = async ({ page }: Opened, state: string): Promise<void> => {
    const found = await findings(page);
    expect.soft(found, `${state}:\n${found.join('\n')}`).toEqual([]);
  };
  const find = async ({ page }: Opened, text: string): Promise<void> => {
    await page.keyboard.press('/');
    await page.waitForSelector('[data-find] input:focus');
    await page.keyboard.type(text);
  };

  it('a part of a code finds its report, words find their incident, and what is nowhere is said', async () => {
    const console = await look('/console');
    const { page } = console;
    await page.waitForSelector(LIVE);
    await find(console, code.slice(0, 8).toLowerCase());
    await page.waitForSelector('[data-found="report"]');
    await clean(console, 'found by a part of its code');
    await page.click('[data-found="report"]');
    await page.waitForSelector(`[data-incident="i:${incident}"]`);
    await find(console, 'belakang masjid');
    await page.waitForSelector('[data-found="incident"]');
    await page.keyboard.press('Escape');
    await find(console, 'kapal karam');
    await page.waitForSelector('[data-nothing]');
    await clean(console, 'nothing found');
    await console.close();
  });

  it('a telephone is asked for with a reason, stands in no address, and each look is written down', async () => {
    const console = await look('/console');
    const { page } = console;
    await page.waitForSelector(LIVE);
    await find(console, PHONE);
    await page.waitForSelector('[data-found="phone"]');
    expect(await page.locator('[data-found]').count()).toBe(1);
    await page.keyboard.press('Enter');
    await page.waitForSelector('[data-phone-search] input:focus');
    await page.keyboard.press('Enter');
    await page.waitForSelector('[data-phone-search] [role="alert"]');
    await clean(console, 'a reason is wanted');
    await page.keyboard.type('menelepon kembali tentang pipa');
    await page.keyboard.press('Enter');
    await page.waitForSelector('[data-hit="phone"]:focus');
    await clean(console, 'found by its telephone');
    await page.keyboard.press('Enter');
    await page.waitForSelector(`[data-incident="i:${incident}"]`);
    const digits = PHONE.replaceAll(' ', '');
    for (const address of [page.url(), ...console.asked]) expect(decodeURIComponent(address).replace(/\D/g, '')).not.toContain(digits);
    await until(10_000, () => 'the look is in the audit', async () => JSON.stringify(await server.get('/api/v1/audit')).includes('menelepon kembali tentang pipa'));
    await console.close();
  });

  it('whoever may not see contacts is told that a number is not theirs to search', async () => {
    const name = await server.account('agency', PASSWORD, ['--agency', 'dlh']);
    const console = await look('/login');
    const { page } = console;
    await signIn(page, name);
    await page.goto(`${server.url}/console`);
    await page.waitForSelector(LIVE);
    await find(console, PHONE);
    await page.waitForSelector('[data-find]:has-text("hanya dapat dicari oleh yang berhak")');
    expect(await page.locator('[data-found]').count()).toBe(0);
    expect(console.asked.filter((address) => address.includes('/api/v1/search'))).toEqual([]);
    await console.close();
  });
});
