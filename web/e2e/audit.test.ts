/** The audit as a page: what a supervisor reads, page by page, and what others are told. */
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { findings, still, withoutMap } from './axe';
import { CHROMIUM, launch, open, tooWide, type Opened } from './browser';
import { desk, PASSWORD, signIn } from './desk';
import { BINARY, Pantau, until } from './pantau';

const PHONE = [390, 844] as const;
const DESK = [1440, 900] as const;
/** More than one page of the audit has. */
const NOTES = 130;

if (BINARY === null || CHROMIUM === null) console.warn(`skipped, no ${BINARY === null ? 'pantau binary (PANTAU_BIN)' : 'Chromium (CHROMIUM_BIN)'}: e2e/audit.test.ts`);

describe.skipIf(BINARY === null || CHROMIUM === null)('the audit', { timeout: 300_000 }, () => {
  let server: Pantau;
  let browser: Browser;
  let incident: string;
  let code: string;

  beforeAll(async () => {
    [server, browser] = await Promise.all([Pantau.start(), launch()]);
    ({ incident, code } = await server.post('/api/v1/reports', { category: 'water', lng: 127.3621, lat: 0.8011, reporter: { name: 'Ibu Ratna', phone: '0812 3456 789' } }));
    await server.act(incident, 'verify');
    await server.act(incident, 'contacts', { reason: 'menanyakan nomor rumah' });
    for (let n = 0; n < NOTES; n++) await server.post('/api/v1/shift-log', { kind: 'note', text: `catatan ${n}` });
  });

  afterAll(async () => {
    await browser?.close();
    await server?.remove();
  });

  const look = (path: string, [width, height]: readonly [number, number] = DESK): Promise<Opened> =>
    open(browser, server.url + path, width, height, async (page) => {
      await still(page);
      await withoutMap(page);
    });

  const clean = async ({ page }: Opened, state: string): Promise<void> => {
    const found = await findings(page);
    expect.soft(found, `${state}:\n${found.join('\n')}`).toEqual([]);
    expect.soft(await tooWide(page), state).toEqual([]);
  };

  const lines = (page: Page): Promise<string[]> => page.$$eval('[data-line]', (all) => all.map((one) => one.getAttribute('data-line') ?? ''));
  const shows = (page: Page, n: number): Promise<unknown> => page.waitForSelector(`[data-shown="${n}"]`);

  it('tells all that the server has, the newest first, a page at a time', async () => {
    const told: string[] = (await server.get('/api/v1/audit?limit=1000')).entries.map(({ action }: { action: string }) => action);
    expect(told.length).toBeGreaterThan(NOTES);
    const audit = await look('/audit');
    const { page } = audit;
    await shows(page, 100);
    await page.click('[data-more]');
    await shows(page, told.length);
    await page.waitForSelector('[data-end]');
    expect(await lines(page)).toEqual(told);
    // In the reader's words, with the reason of who looked.
    const look_up = await page.innerText('[data-line="look-up"]');
    expect(look_up).toContain('Melihat kontak pelapor');
    expect(look_up).toContain('menanyakan nomor rumah');
    expect(await page.innerText('[data-line="verify"]')).toContain('Belum diverifikasi → Terverifikasi');
    await clean(audit, 'all');
    expect(audit.errors).toEqual([]);
    await audit.close();
  });

  it('is chosen from by act, by name, by time and by a report’s code, and the table for a spreadsheet has the same', async () => {
    const audit = await look('/audit');
    const { page } = audit;
    await shows(page, 100);
    await page.selectOption('select[name="action"]', 'look-up');
    await page.click('[data-ask]');
    await shows(page, 1);
    expect(new URL(page.url()).searchParams.get('action')).toBe('look-up');
    const csv = await (await fetch(server.url + (await page.getAttribute('a[download]', 'href')))).text();
    expect(csv.trim().split('\n').length).toBe(2);
    expect(csv).toContain('menanyakan nomor rumah');

    await page.click('[data-clear]');
    await shows(page, 100);
    await page.fill('input[name="incident"]', code);
    await page.click('[data-ask]');
    await shows(page, 2);
    expect(await lines(page)).toEqual(['look-up', 'verify']);
    expect(new URL(page.url()).searchParams.get('incident')).toBe(incident);
    // The same after a reload, and the step back shows all again.
    await page.reload();
    await shows(page, 2);
    await page.goBack();
    await shows(page, 100);
    await page.fill('input[name="incident"]', 'TTE-0000-00000');
    await page.click('[data-ask]');
    await page.waitForSelector('[data-unknown]');
    await clean(audit, 'no such code');

    await page.click('[data-line="shift-note"] .who button');
    await until(20_000, () => 'only what one person did', async () => (await page.inputValue('input[name="actor"]')) !== '');
    await page.fill('input[name="incident"]', '');
    await page.fill('input[name="actor"]', 'siapa');
    await page.click('[data-ask]');
    await page.waitForSelector('[data-empty]');
    await clean(audit, 'nobody');
    await page.click('[data-clear]');
    await shows(page, 100);
    // Of before the city had a center there is nothing.
    await page.fill('input[name="until"]', '2020-01-01T00:00');
    await page.click('[data-ask]');
    await page.waitForSelector('[data-empty]');
    expect(new URL(page.url()).searchParams.get('until')).toBe('2019-12-31T15:00:00.000Z');
    await audit.close();
  });

  it('keeps what it shows while the server is away, and goes on afterwards', async () => {
    const audit = await look('/audit');
    const { page } = audit;
    await shows(page, 100);
    await page.route('**/api/v1/audit*', (route) => route.abort());
    await page.click('[data-more]');
    await page.waitForSelector('[data-failed]');
    await clean(audit, 'not read on');
    await page.unroute('**/api/v1/audit*');
    await page.click('[data-more]');
    await page.waitForSelector('[data-end]');
    await audit.close();
  });

  it('fits a phone, in English too', async () => {
    const phone = await look('/audit?lang=en', PHONE);
    await shows(phone.page, 100);
    const text = await phone.page.innerText('body');
    expect(text).toContain('Wrote in the shift log');
    expect(text).not.toContain('Kejadian');
    await clean(phone, 'phone');
    await phone.close();
  });

  it('an operator is told whose it is, and that they looked in is no denial in the audit', async () => {
    const name = await server.account('operator', PASSWORD);
    const denied = await look('/login', PHONE);
    const { page } = denied;
    await signIn(page, name);
    await page.goto(`${server.url}/audit`);
    await page.waitForSelector('[data-denied]');
    expect(await page.innerText('[data-denied] h1')).toBe('Halaman ini untuk penyelia dan admin');
    expect(await page.getAttribute('[data-denied] a', 'href')).toBe('/login?next=%2Faudit');
    expect(denied.asked.filter((address) => address.includes('/api/v1/audit'))).toEqual([]);
    expect((await server.get(`/api/v1/audit?actor=${name}&action=denied`)).entries).toEqual([]);
    await clean(denied, 'denied');
    await denied.close();
  });

  it('stands where supervisors look: at an incident, in the list of commands, at the handover, on the first page', async () => {
    const console_ = await open(browser, `${server.url}/console?incident=i:${incident}`, ...DESK, async (page) => {
      await still(page);
      await desk(page);
      await page.addInitScript(() => localStorage.setItem('pantau.tour', 'known'));
    });
    const { page } = console_;
    expect(await page.getAttribute('[data-audit]', 'href', { timeout: 30_000 })).toBe(`/audit?incident=${incident}`);
    await page.keyboard.press('Control+k');
    await page.waitForSelector('[data-option="audit"]');
    await console_.close();
    for (const path of ['/handover', '/']) {
      const one = await look(path);
      await one.page.waitForSelector('a[href="/audit"]');
      await one.close();
    }
  });
});
