/** Every page and its main states against WCAG 2.2 AA, in both languages and on each size of screen. */
import type { Browser, Page, Route } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { clean as isClean, still, withoutMap } from './axe';
import { CHROMIUM, launch, open, type Opened } from './browser';
import { Line } from './line';
import { BINARY, Pantau, until } from './pantau';

const LIVE = '[data-phase="live"]';
const DRILL_RATE = 60;
const DESK = [1366, 768] as const;
const PHONE = [390, 844] as const;

if (BINARY === null || CHROMIUM === null) console.warn(`skipped, no ${BINARY === null ? 'pantau binary (PANTAU_BIN)' : 'Chromium (CHROMIUM_BIN)'}: e2e/axe.test.ts`);

// A look takes seconds where maps are drawn in software, and each test takes several.
describe.skipIf(BINARY === null || CHROMIUM === null)('WCAG 2.2 AA, by axe', { timeout: 300_000 }, () => {
  let server: Pantau;
  let browser: Browser;
  let incident: string;

  beforeAll(async () => {
    [server, browser] = await Promise.all([Pantau.start(), launch()]);
    const endDrill = server.drill(DRILL_RATE);
    await until(60_000, () => 'the drill makes a hotspot', async () => (await server.get('/api/v1/hotspots')).features.length > 0);
    await endDrill();
    incident = await server.report('water', 127.3841, 0.7911);
    await server.act(await server.report('garbage', 127.3835, 0.7905), 'verify');
    const other = await server.report('accident', 127.3702, 0.7721);
    await server.act(other, 'verify');
    await server.act(other, 'start');
    await server.act(other, 'resolve');
  });

  afterAll(async () => {
    await browser?.close();
    await server?.remove();
  });

  const look = (path: string, [width, height]: readonly [number, number], before?: (page: Page) => Promise<void>): Promise<Opened> =>
    open(browser, server.url + path, width, height, async (page) => {
      await still(page);
      await before?.(page);
    });

  const clean = ({ page }: Opened, state: string): Promise<void> => isClean(page, state);

  /** Whoever asks is told that somebody, or nobody, is signed in. */
  const asking = (session: object) => async (page: Page): Promise<void> => {
    await page.route('**/api/v1/session', (route) => (route.request().method() === 'GET' ? route.fulfill({ json: session }) : route.continue()));
  };

  for (const [path, size] of [['/', DESK], ['/?lang=en', PHONE]] as const) {
    it(`the first page, ${path} at ${size.join('×')}`, async () => {
      const home = await look(path, size);
      await home.page.waitForSelector('.now');
      await clean(home, 'home');
      await home.close();
    });
  }

  it('the wall: live, cut off, on a phone and in English', async () => {
    const line = new Line();
    const wall = await look('/wall', [1920, 1080], (page) => line.runThrough(page));
    await wall.page.waitForSelector(LIVE);
    await wall.page.waitForSelector('[data-hotspot]');
    await wall.page.waitForSelector('[data-band="drill"]');
    await clean(wall, 'live');
    await line.cut();
    await wall.page.waitForSelector('[data-phase="stale"]');
    await clean(wall, 'stale');
    await wall.close();
    const phone = await look('/wall?lang=en', PHONE, withoutMap);
    await phone.page.waitForSelector('[data-hotspot]');
    await clean(phone, 'phone');
    await phone.close();
  });

  it('the field page: list, one incident, pickers, high contrast', async () => {
    const field = await look('/field', PHONE);
    const { page } = field;
    await page.waitForSelector(LIVE);
    await page.waitForSelector('[data-incident]');
    await clean(field, 'list');
    for (const panel of ['area', 'category', 'status']) {
      await page.click(`[data-filter="${panel}"]`);
      await page.waitForSelector('dialog[open]');
      await clean(field, `picker of ${panel}`);
      await page.keyboard.press('Escape');
      await page.waitForSelector('dialog', { state: 'detached' });
    }
    await page.click('[data-incident]');
    await page.waitForSelector('[data-detail]');
    await clean(field, 'one incident');
    await field.close();
    const contrast = await look('/field?contrast=1&lang=en', [1440, 900], withoutMap);
    await contrast.page.waitForSelector('[data-incident]');
    await clean(contrast, 'high contrast, wide');
    await contrast.close();
  });

  it('the embedded map, by day and in the dark', async () => {
    for (const path of ['/embed', '/embed?theme=dark&lang=en']) {
      const embed = await look(path, [800, 560]);
      await embed.page.waitForFunction(() => Number((document.querySelector('.map') as HTMLElement | null)?.dataset.shown) >= 0);
      await clean(embed, path);
      await embed.close();
    }
  });

  it('signing in: form, ended session, wrong password, no private line, the account', async () => {
    const nobody = { signed_in: false, ended: false, can_sign_in: true };
    const form = await look('/login', PHONE, asking(nobody));
    await form.page.waitForSelector('input[type="password"]');
    await clean(form, 'form');
    await form.page.fill('input:not([type="password"])', 'ani');
    await form.page.fill('input[type="password"]', 'bukan ini sandinya');
    await form.page.keyboard.press('Enter');
    await form.page.waitForSelector('.fault');
    await clean(form, 'wrong password');
    await form.close();
    for (const [state, session] of [
      ['ended', { ...nobody, ended: true }],
      ['no private line', { ...nobody, can_sign_in: false }],
      ['single sign-on', { ...nobody, oidc: { name: 'akun provinsi' } }],
      ['account', { signed_in: true, name: 'ani', full_name: 'Ani Wijaya', role: 'operator', via: 'session', ends_at: '2027-11-24T05:05:00Z', second_factor: false, may: {}, projection: 'staff' }],
    ] as const) {
      const page = await look('/login?lang=en', DESK, asking(session));
      await page.page.waitForSelector('main h1');
      await clean(page, state);
      await page.close();
    }
    // Back from a provider that is away: said in words, and gone from the address; the center's own accounts go on.
    const back = await look('/login?sso=away', PHONE, asking({ ...nobody, oidc: { name: 'akun provinsi' } }));
    await back.page.waitForSelector('.fault');
    expect(await back.page.locator('.fault').textContent()).toContain('tidak dapat dihubungi');
    expect(new URL(back.page.url()).search).toBe('');
    expect(await back.page.locator('a.go').textContent()).toBe('Masuk lewat akun provinsi');
    expect(await back.page.locator('a.go').getAttribute('href')).toBe('/api/v1/session/oidc');
    await clean(back, 'single sign-on is away');
    await back.close();
  });

  it('the console: queue, one incident, its forms', async () => {
    const console = await look(`/console?incident=i:${incident}`, DESK, withoutMap);
    const { page } = console;
    await page.waitForSelector(LIVE);
    await page.waitForSelector('[data-row]');
    await page.waitForSelector('article:has-text("saluran tersumbat")');
    await clean(console, 'queue and incident');
    for (const [key, state, selector] of [['t', 'agencies', '[data-option]'], ['x', 'rejecting', '[data-form="reject"] textarea'], ['n', 'a note', '[data-form="note"] textarea']] as const) {
      await page.keyboard.press(key);
      await page.waitForSelector(selector);
      await clean(console, state);
      await page.keyboard.press('Escape');
      await page.waitForSelector(selector, { state: 'detached' });
    }
    await console.close();
  });

  it('the console: not stored, refused, cut off, without a network', async () => {
    const line = new Line();
    const console = await look(`/console?incident=i:${incident}`, DESK, async (page) => {
      await withoutMap(page);
      await line.runThrough(page);
    });
    const { page } = console;
    await page.waitForSelector(LIVE);
    for (const [state, answer] of [
      ['refused', (route: Route) => route.fulfill({ status: 409, json: { type: '/problems/archived', title: 'Conflict', detail: 'it is archived', status: 409 } })],
      ['network', (route: Route) => route.abort()],
    ] as const) {
      await page.route('**/api/v1/incidents/*/note', answer);
      await page.waitForSelector('[data-action="note"]');
      await page.keyboard.press('n');
      await page.waitForSelector('[data-form="note"] textarea:focus');
      await page.keyboard.type('pelapor ditelepon');
      await page.keyboard.press('Enter');
      await page.click('[data-send-now]');
      await page.waitForSelector(`[data-trouble="${state}"]`);
      if (state === 'refused') expect(await page.textContent('[data-trouble]')).toContain('Server tidak menerima “Catatan”: sudah lama ditutup dan masuk arsip');
      await clean(console, state);
      await page.keyboard.press('Escape');
      await page.waitForSelector('[data-trouble]', { state: 'detached' });
      await page.unroute('**/api/v1/incidents/*/note');
      // The draft stands in the form the next time.
      await page.evaluate(() => sessionStorage.clear());
    }
    await line.cut();
    await page.waitForSelector('[data-notice="late"]');
    await clean(console, 'cut off');
    await page.context().setOffline(true);
    await page.waitForSelector('[data-notice="offline"]');
    await clean(console, 'without a network');
    await console.close();
  });

  it('the console: help, commands, filter, many at once', async () => {
    const console = await look('/console?lang=en', DESK, withoutMap);
    const { page } = console;
    await page.waitForSelector('[data-row]');
    for (const [key, state] of [['?', 'help'], ['Control+k', 'commands'], ['f', 'filter']] as const) {
      await page.keyboard.press(key);
      await page.waitForSelector('dialog[open]');
      await clean(console, state);
      await page.keyboard.press('Escape');
      await page.waitForSelector('dialog', { state: 'detached' });
    }
    for (const key of ['j', 'Space', 'j', 'Space']) await page.keyboard.press(key);
    await page.waitForSelector('[data-marked="2"]');
    await clean(console, 'two selected');
    await page.keyboard.press('x');
    await page.waitForSelector('[data-bulk]');
    await clean(console, 'many at once');
    await console.close();
  });

  it('the console: nothing found, nobody signed in, a phone', async () => {
    const empty = await look('/console?q=tidakadakatasepertiini', DESK, withoutMap);
    await empty.page.waitForSelector('[data-empty]');
    await clean(empty, 'nothing found');
    await empty.close();
    const denied = await look('/console', DESK, async (page) => {
      await page.route('**/api/v1/city*', async (route) => route.fulfill({ json: { ...(await (await route.fetch()).json()), projection: 'public' } }));
    });
    await denied.page.waitForSelector('[data-denied] .do:not(:empty)');
    await clean(denied, 'nobody signed in');
    await denied.close();
    const phone = await look(`/console?incident=i:${incident}`, PHONE, withoutMap);
    await phone.page.waitForSelector('[data-actions]');
    for (const view of ['queue', 'incident', 'map']) {
      await phone.page.click(`[data-show="${view}"]`);
      await clean(phone, `phone, ${view}`);
    }
    await phone.close();
  });
});
