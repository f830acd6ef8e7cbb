/** The center's memory as pages: statistics, situation report, handover and replay, over a running server. */
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { findings, still, withoutMap } from './axe';
import { CHROMIUM, launch, open, tooWide, type Opened } from './browser';
import { BINARY, Pantau, until } from './pantau';
import { periodOf, wholeMonthsFrom } from '../src/statistics/period';

const PHONE = [390, 844] as const;
const DESK = [1366, 768] as const;

if (BINARY === null || CHROMIUM === null) console.warn(`skipped, no ${BINARY === null ? 'pantau binary (PANTAU_BIN)' : 'Chromium (CHROMIUM_BIN)'}: e2e/papers.test.ts`);

describe.skipIf(BINARY === null || CHROMIUM === null)('the pages that look back', { timeout: 300_000 }, () => {
  let server: Pantau;
  let browser: Browser;

  beforeAll(async () => {
    [server, browser] = await Promise.all([Pantau.start(), launch()]);
  });

  afterAll(async () => {
    await browser?.close();
    await server?.remove();
  });

  const look = (path: string, [width, height]: readonly [number, number]): Promise<Opened> =>
    open(browser, server.url + path, width, height, async (page) => {
      await still(page);
      await withoutMap(page);
    });

  const clean = async ({ page }: Opened, state: string): Promise<void> => {
    const found = await findings(page);
    expect.soft(found, `${state}:\n${found.join('\n')}`).toEqual([]);
    expect.soft(await tooWide(page), state).toEqual([]);
  };

  /** Three that are resolved, one in work, one that nobody has looked at. */
  async function shift(): Promise<void> {
    const steps = [['verify', 'start', 'resolve'], ['verify', 'start', 'resolve'], ['verify', 'resolve'], ['verify', 'start'], []];
    for (const [n, actions] of steps.entries()) {
      const incident = await server.report(['garbage', 'water'][n % 2] ?? 'garbage', 127.37 + n / 200, 0.79);
      for (const action of actions) await server.act(incident, action);
    }
  }

  it('statistics say that there is nothing yet, and then what there is, as the server has it', async () => {
    const empty = await look('/statistics', DESK);
    await empty.page.waitForSelector('[data-empty]');
    await clean(empty, 'empty');
    await empty.close();

    await shift();
    const statistics = await look('/statistics', DESK);
    const { page } = statistics;
    await page.waitForSelector('[data-whole]');
    const told = await server.get('/api/v1/statistics?by=category&projection=public');
    expect(told.total.incidents).toBe(4);
    expect(await page.textContent('.whole dd')).toBe('4');
    for (const { key, incidents, resolved } of told.groups) {
      const cells = await page.locator(`[data-by="category"] [data-group="${key}"] td`).allTextContents();
      expect(cells.slice(0, 2), key).toEqual([String(incidents), String(resolved)]);
    }
    // Garbage has deadlines for its steps, and none for the whole.
    expect(told.groups.map(({ key, with_deadline }: { key: string; with_deadline: number }) => [key, with_deadline])).toEqual([['garbage', 0], ['water', 2]]);
    expect(await page.textContent('[data-undue]')).toContain('Sampah.');
    await clean(statistics, 'statistics');
    await page.click('[data-step="verify"]');
    await page.click('[data-span="30"]');
    // Which months count of what is sensitive is said where the period cuts one, and is the truth of no other.
    const cut = wholeMonthsFrom(periodOf('30', Date.now(), 'Asia/Jayapura'), 'Asia/Jayapura');
    expect(await page.locator('[data-months]').count()).toBe(cut === null ? 0 : 1);
    if (cut !== null) expect(await page.textContent('[data-months]')).toContain('Kategori sensitif (Kecelakaan, Sosial)');
    await page.click('[data-span="all"]');
    expect(await page.locator('[data-months]').count()).toBe(0);
    await page.click('[data-span="30"]');
    expect(new URL(page.url()).searchParams.get('step')).toBe('verify');
    expect(new URL(page.url()).searchParams.get('days')).toBe('30');
    for (const address of await page.$$eval('a[download]', (all) => all.map((one) => one.getAttribute('href') ?? ''))) {
      const csv = await fetch(server.url + address);
      expect([csv.status, csv.headers.get('content-type')], address).toEqual([200, 'text/csv; charset=utf-8']);
      expect((await csv.text()).split('\n')[0]).toContain('verify_median_s');
    }
    await statistics.close();
    const phone = await look('/statistics?lang=en', PHONE);
    await phone.page.waitForSelector('[data-whole]');
    expect(await phone.page.innerText('body')).not.toContain('Kejadian');
    await clean(phone, 'phone');
    await phone.close();
  });

  it('statistics that cannot be read say so, and come by themselves', async () => {
    const statistics = await open(browser, `${server.url}/statistics`, ...PHONE, async (page) => {
      await still(page);
      let tries = 0;
      await page.route('**/api/v1/statistics*', (route) => (tries++ < 4 ? route.abort() : route.continue()));
    });
    await statistics.page.waitForSelector('[data-fault="network"]');
    await clean(statistics, 'unread');
    await statistics.page.waitForSelector('[data-whole]');
    expect(await statistics.page.locator('[data-fault]').count()).toBe(0);
    await statistics.close();
  });

  it('a shift writes its log, hands over, and reports what changed since', async () => {
    const handover = await look('/handover', DESK);
    const { page } = handover;
    await page.waitForSelector('[data-log="empty"]');
    await clean(handover, 'no log yet');
    await page.fill('[data-text="note"]', 'Truk DLH rusak\nsampai pukul 15');
    await page.reload();
    // What was typed outlives a reload.
    await page.waitForSelector('[data-text="note"]');
    expect(await page.inputValue('[data-text="note"]')).toBe('Truk DLH rusak\nsampai pukul 15');
    await page.click('[data-send="note"]');
    await page.waitForSelector('[data-entry="note"]');
    expect(await page.inputValue('[data-text="note"]')).toBe('');
    await page.fill('[data-text="handover"]', 'Malam tenang, awasi Muhajirin');
    expect(await page.isDisabled('[data-send="handover"]')).toBe(true);
    await page.check('input[type="checkbox"]');
    await page.click('[data-send="handover"]');
    await page.waitForSelector('[data-signed]');
    await page.waitForSelector('[data-entry="handover"]');
    const { entries } = await server.get('/api/v1/shift-log');
    expect(entries.map(({ kind, text }: { kind: string; text: string }) => [kind, text])).toEqual([
      ['handover', 'Malam tenang, awasi Muhajirin'],
      ['note', 'Truk DLH rusak\nsampai pukul 15'],
    ]);
    await clean(handover, 'handed over');
    // On paper there is room to sign, and nothing for the hand.
    expect(await page.locator('.signs:visible').count()).toBe(0);
    await page.emulateMedia({ media: 'print' });
    expect(await page.locator('.signs:visible').count()).toBe(1);
    expect(await page.locator('button:visible, textarea:visible').count()).toBe(0);
    await handover.close();

    const incident = await server.report('water', 127.381, 0.79);
    const sitrep = await look('/sitrep', DESK);
    await sitrep.page.waitForSelector('[data-sitrep="read"]');
    const told = await server.get('/api/v1/sitrep');
    expect(told.changes.opened.total).toBe(1);
    const cell = async (key: string, n: number): Promise<number> => Number(await sitrep.page.textContent(`[data-count="${key}"] td:nth-of-type(${n})`));
    expect([await cell('total', 1), await cell('total', 2)]).toEqual([told.now.total, told.before.total]);
    expect(await sitrep.page.textContent('[data-change="sitrep.opened"] h3 b')).toBe('1');
    await sitrep.page.waitForSelector(`[data-section="sitrep.due"] [data-incident="i:${incident}"]`);
    expect(await sitrep.page.locator('[data-picture] svg circle').count()).toBeGreaterThanOrEqual(told.open.total);
    await clean(sitrep, 'report');
    // On paper nothing is left that is for the hand.
    await sitrep.page.emulateMedia({ media: 'print' });
    expect(await sitrep.page.locator('button:visible, input:visible').count()).toBe(0);
    expect((await sitrep.page.pdf({ preferCSSPageSize: true })).length).toBeGreaterThan(10_000);
    await sitrep.close();
    // Times that make no sense are told in the page's own words.
    const refused = await look('/sitrep?since=2026-11-02T00:00:00Z&until=2026-11-01T00:00:00Z', PHONE);
    await refused.page.waitForSelector('[data-fault="refused"]');
    expect(await refused.page.innerText('[data-fault]')).toContain('Pilih kurun waktu di atas');
    await clean(refused, 'refused');
    await refused.close();
    for (const path of ['/sitrep?lang=en', '/handover?lang=en']) {
      const phone = await look(path, PHONE);
      await phone.page.waitForSelector('[data-sitrep="read"], [data-handover="read"]');
      // What is due is on the screen, not behind its edge.
      const due = await phone.page.locator('[data-incident] td:last-child').first().boundingBox();
      expect((due?.x ?? NaN) + (due?.width ?? NaN)).toBeLessThanOrEqual(PHONE[0]);
      await clean(phone, path);
      await phone.close();
    }
  });

  it('a handover counts by the server’s clock, whatever that of its machine says', async () => {
    const handover = await open(browser, `${server.url}/handover`, ...DESK, async (page) => {
      await still(page);
      await page.clock.setFixedTime(new Date('2020-01-05T03:00:00Z'));
    });
    const { page } = handover;
    await page.waitForSelector('[data-handover="read"]');
    const year = (await server.get('/api/v1/sitrep')).until.slice(0, 4);
    expect(await page.innerText('header')).toContain(` ${year} `);
    expect(await page.innerText('header')).not.toContain('2020');
    await handover.close();
  });

  it('what is written while the server is away stays in the field, and the page says so', async () => {
    const handover = await look('/handover', DESK);
    const { page } = handover;
    await page.waitForSelector('[data-handover="read"]');
    await page.route('**/api/v1/shift-log', (route) => (route.request().method() === 'POST' ? route.abort() : route.continue()));
    await page.fill('[data-text="note"]', 'pompa dipasang');
    await page.click('[data-send="note"]');
    await page.waitForSelector('.trouble');
    expect(await page.inputValue('[data-text="note"]')).toBe('pompa dipasang');
    await clean(handover, 'not saved');
    await handover.close();
  });

  it('a replay shows what was known at each moment, led by keys', async () => {
    const replay = await look('/replay', DESK);
    const { page } = replay;
    const shown = (): Promise<string | null> => page.getAttribute('.replay', 'data-at');
    await page.waitForSelector('[data-at]');
    // Midnight: nothing was known yet.
    expect(await page.textContent('[data-counter="new"]')).toBe('0');
    await page.keyboard.press('End');
    const now = await server.get('/api/v1/stats');
    await page.waitForFunction((n) => document.querySelector('[data-counter="new"]')?.textContent === String(n), now.by_status.new);
    await clean(replay, 'at the end');
    const before = Date.parse((await shown()) ?? '');
    await page.keyboard.press('Shift+ArrowLeft');
    await until(20_000, () => 'fifteen minutes back', async () => Date.parse((await shown()) ?? '') === before - 15 * 60_000);
    expect(new URL(page.url()).searchParams.get('at')).not.toBeNull();
    await page.keyboard.press(' ');
    await page.waitForSelector('[data-playing="true"]');
    await until(20_000, () => 'it runs', async () => Date.parse((await shown()) ?? '') > before - 15 * 60_000);
    await page.keyboard.press(' ');
    await page.waitForSelector('[data-playing="false"]');
    await page.keyboard.press('ArrowUp');
    await page.waitForSelector('[data-speed="300"][aria-pressed="true"]');
    await replay.close();
    const phone = await look('/replay?lang=en', PHONE);
    await phone.page.waitForSelector('[data-at]');
    await clean(phone, 'phone');
    await phone.close();
  });

  it('whoever is not staff is told so', async () => {
    for (const path of ['/sitrep', '/handover', '/replay']) {
      const denied = await open(browser, server.url + path, ...DESK, async (page) => {
        await page.route('**/api/v1/city*', async (route) => route.fulfill({ json: { ...(await (await route.fetch()).json()), projection: 'public' } }));
      });
      await denied.page.waitForSelector('[data-denied]');
      expect(await denied.page.getAttribute('[data-denied] a', 'href')).toBe(`/login?next=${encodeURIComponent(path)}`);
      await clean(denied, path);
      await denied.close();
    }
  });
});
