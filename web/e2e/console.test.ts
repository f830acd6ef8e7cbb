/** The console played by its keys alone against the real server: one case from arrival to its end, and two operators at once. */
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { clean } from './axe';
import { CHROMIUM, launch, open, tooWide } from './browser';
import { asLate, desk, LIVE, PASSWORD, signIn, wasNothing } from './desk';
import { BINARY, Pantau, until } from './pantau';

if (BINARY === null || CHROMIUM === null) console.warn(`skipped, no ${BINARY === null ? 'pantau binary (PANTAU_BIN)' : 'Chromium (CHROMIUM_BIN)'}: e2e/console.test.ts`);

describe.skipIf(BINARY === null || CHROMIUM === null)('the console over a running server', { timeout: 300_000 }, () => {
  let server: Pantau;
  let browser: Browser;

  beforeAll(async () => {
    [server, browser] = await Promise.all([Pantau.start(), launch()]);
  });

  afterAll(async () => {
    await browser?.close();
    await server?.remove();
  });

  const status = async (incident: string): Promise<string> => (await server.get(`/api/v1/incidents/${incident}`)).properties.status;
  const shows = (page: Page, word: string): Promise<unknown> => page.waitForSelector(`[data-status="${word}"]`);

  it('a report is verified and assigned with four keys, started with one, resolved with two', async () => {
    const console = await open(browser, `${server.url}/console`, 1366, 768, desk);
    const { page } = console;
    let pressed = 0;
    const press = async (key: string): Promise<void> => {
      pressed += 1;
      await page.keyboard.press(key);
    };
    await page.waitForSelector(LIVE);
    await page.waitForSelector('[data-empty]');
    expect(await page.textContent('[data-empty]')).toContain('Tidak ada yang menunggu verifikasi');

    const incident = await server.report('water', 127.3841, 0.7911);
    await page.waitForSelector(`[data-row="i:${incident}"]`);
    await page.waitForFunction(() => document.querySelector('[data-tab="new"] b')?.textContent === '1');
    await press('j');
    await page.waitForSelector(`[data-incident="i:${incident}"]`);
    await page.waitForSelector('article:has-text("saluran tersumbat")');
    await press('v');
    await press('t');
    await page.waitForSelector('[data-option="bpbd"]');
    await press('5');
    await page.waitForSelector('[data-agency="bpbd"]');
    expect(pressed, 'key presses from arrival to assigned').toBe(4);
    // What was done left the list of new ones, and stays in sight while it is open.
    await page.waitForSelector(`[data-row="i:${incident}"].left`);
    await press('s');
    await shows(page, 'in_progress');
    await press('r');
    await page.waitForSelector('[data-form="resolve"] textarea:focus');
    await page.keyboard.type('pompa dipasang');
    await press('Enter');
    await shows(page, 'resolved');
    expect(pressed).toBe(7);
    // Shown at once; sent when nobody took it back.
    await page.waitForSelector('[data-undo="resolve"][data-waits="true"]');
    expect(await status(incident)).toBe('in_progress');
    await until(20_000, () => 'it is resolved on the server', async () => (await status(incident)) === 'resolved');
    await page.waitForSelector('[data-undo]', { state: 'detached' });

    const told = await server.get(`/api/v1/incidents/${incident}`);
    expect(told.properties.agency).toBe('bpbd');
    const log = told.properties.log.filter(({ kind }: { kind: string }) => kind === 'action');
    expect(log.map(({ action }: { action: string }) => action)).toEqual(['verify', 'assign', 'start', 'resolve']);
    expect(log[3].note).toBe('pompa dipasang');
    expect(console.asked.filter((address) => new URL(address).host !== new URL(server.url).host)).toEqual([]);
    expect(console.errors.filter((error) => !error.startsWith('pantau: no map'))).toEqual([]);
    await console.close();
  });

  it('what somebody else did first is shown, what was typed is kept, and the operator decides', async () => {
    const incident = await server.report('garbage', 127.3835, 0.7905);
    const console = await open(browser, `${server.url}/console`, 1366, 768, desk);
    const { page } = console;
    await page.waitForSelector(`[data-row="i:${incident}"]`);
    await page.keyboard.press('j');
    await page.keyboard.press('x');
    await page.waitForSelector('[data-form="reject"] textarea:focus');
    await wasNothing(page);
    await page.keyboard.type('tidak ada di lokasi');
    await server.act(incident, 'verify');
    // A live update says so beside the text, and takes neither the text nor the focus.
    await page.waitForSelector('[data-changed]');
    expect(await page.inputValue('textarea:focus')).toBe('tidak ada di lokasi');
    await page.keyboard.press('Enter');
    await page.click('[data-send-now]');
    await page.waitForSelector('[data-trouble="conflict"]');
    expect(await page.textContent('[data-trouble="conflict"]')).toContain('Sudah berubah');
    await clean(page, 'a conflict');
    expect(await status(incident)).toBe('verified');
    expect(await page.inputValue('textarea:focus')).toBe('tidak ada di lokasi');
    // The second answer counts only once the first could be read.
    await until(20_000, () => 'it is rejected all the same', async () => {
      await page.evaluate(() => document.querySelector<HTMLElement>('[data-send]')?.click());
      return (await status(incident)) === 'rejected';
    });
    await shows(page, 'rejected');
    const log = (await server.get(`/api/v1/incidents/${incident}`)).properties.log;
    expect(log.at(-1).note).toBe('tidak ada di lokasi');
    expect(log).toHaveLength(3);
    await console.close();
  });

  it('what is read stays where it is when others come in above it, and what was typed outlives a reload', async () => {
    for (let n = 0; n < 12; n++) await server.report('traffic', 127.37 + n / 1000, 0.79);
    const console = await open(browser, `${server.url}/console`, 1366, 768, desk);
    const { page } = console;
    await page.waitForFunction(() => document.querySelectorAll('[data-row]').length >= 12);
    for (let n = 0; n < 3; n++) await page.keyboard.press('j');
    const top = (): Promise<number> => page.evaluate(() => document.querySelector('[data-row].open')?.getBoundingClientRect().top ?? NaN);
    const before = await top();
    const incident = await server.report('water', 127.3841, 0.7911);
    await page.waitForSelector(`[data-row="i:${incident}"]`, { state: 'attached' });
    await page.waitForSelector('[data-fresh="1"]');
    expect(Math.abs((await top()) - before)).toBeLessThanOrEqual(1);
    await page.keyboard.press('Home');
    await page.waitForSelector('[data-fresh]', { state: 'detached' });

    await page.keyboard.press('n');
    await page.waitForSelector('[data-form="note"] textarea:focus');
    await page.keyboard.type('menunggu truk');
    await page.reload();
    await page.waitForSelector('[data-action="note"]');
    await page.keyboard.press('n');
    await page.waitForSelector('[data-form="note"] textarea:focus');
    expect(await page.inputValue('textarea')).toBe('menunggu truk');
    await console.close();
  });

  it('many are rejected at once; the one that another operator took first is named', async () => {
    const all: string[] = [];
    for (const lng of [127.3811, 127.3702, 127.3621]) all.push(await server.report('infrastructure', lng, 0.7899));
    const console = await open(browser, `${server.url}/console`, 1366, 768, desk);
    const { page } = console;
    await page.waitForSelector(`[data-row="i:${all[0]}"]`);
    await page.route('**/api/v1/incidents/*/reject', async (route) => {
      // Between the question and the answer somebody else was faster.
      if (route.request().url().includes(all[1] ?? '')) await server.act(all[1] ?? '', 'verify');
      await route.continue();
    });
    for (const _ of all) for (const key of ['j', 'Space']) await page.keyboard.press(key);
    await page.waitForSelector('[data-marked="3"]');
    await page.keyboard.press('x');
    await page.waitForSelector('[data-bulk="reject"] textarea:focus');
    await wasNothing(page);
    await page.keyboard.type('laporan ganda');
    await page.keyboard.press('Enter');
    await page.waitForSelector('[data-undo="reject"][data-waits="true"]');
    expect(await page.locator('[data-waits]:is(i)').count()).toBe(3);
    await page.click('[data-send-now]');
    await page.waitForSelector('[data-refused] li');
    expect(await page.locator('[data-refused] li').count()).toBe(1);
    expect(await page.textContent('[data-refused]')).toContain('sudah diubah orang lain');
    expect(await Promise.all(all.map(status))).toEqual(['rejected', 'verified', 'rejected']);
    await console.close();
  });

  it('a report’s code opens its incident, and the address keeps it', async () => {
    const { code, incident } = await server.post('/api/v1/reports', { category: 'traffic', lng: 127.379, lat: 0.788 });
    const console = await open(browser, `${server.url}/console?lang=en`, 1366, 768, desk);
    const { page } = console;
    await page.waitForSelector(LIVE);
    await page.keyboard.press('/');
    await page.waitForSelector('[data-find] input:focus');
    await page.keyboard.type(code.toLowerCase());
    await page.waitForSelector('[data-found="code"]');
    await page.keyboard.press('Enter');
    await page.waitForSelector(`[data-incident="i:${incident}"]`);
    expect(new URL(page.url()).searchParams.get('incident')).toBe(`i:${incident}`);
    expect(await page.innerText('body')).not.toContain('Belum diverifikasi');
    await console.close();
  });

  it('one looks for a village or for words, and finds again what was opened last', async () => {
    const incident = await server.report('social', 127.3835, 0.7905);
    const console = await open(browser, `${server.url}/console`, 1366, 768, desk);
    const { page } = console;
    await page.waitForSelector(LIVE);
    const find = async (text: string): Promise<void> => {
      await page.keyboard.press('/');
      await page.waitForSelector('[data-find] input:focus');
      await page.keyboard.type(text);
    };
    // Words of a report, in any status, by the arrow behind the entries that need no answer.
    await find('Pak Ahmad');
    await page.waitForSelector('[data-found="incident"]');
    expect(await page.locator('[data-found]').first().getAttribute('data-found')).toBe('queue');
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('Enter');
    await page.waitForSelector('[data-incident]');
    const opened = await page.getAttribute('[data-incident]', 'data-incident');
    await page.keyboard.press('Escape');
    await page.waitForSelector('[data-incident]', { state: 'detached' });
    await page.keyboard.press('/');
    await page.waitForSelector('[data-found="recent"]');
    await page.keyboard.press('Enter');
    await page.waitForSelector(`[data-incident="${opened}"]`);

    const { area } = (await server.get(`/api/v1/incidents/${incident}`)).properties;
    const village = (await server.get('/api/v1/areas')).features.find((one: any) => one.properties.code === area).properties.name;
    await find(village);
    await page.waitForSelector('[data-found="area"]');
    await page.keyboard.press('Enter');
    await until(10_000, () => 'the address names the village', async () => new URL(page.url()).searchParams.get('area') === area);
    await page.keyboard.press('4');
    await page.waitForSelector(`[data-row="i:${incident}"]`);
    await console.close();
  });

  it('what waits is taken back before it is sent; what was sent, by its opposite', async () => {
    const incident = await server.report('water', 127.3701, 0.7999);
    const console = await open(browser, `${server.url}/console?incident=i:${incident}`, 1366, 768, desk);
    const { page } = console;
    await page.waitForSelector('[data-action="verify"]');
    await page.keyboard.press('v');
    await shows(page, 'verified');
    await page.keyboard.press('Control+z');
    await shows(page, 'new');
    const before = (await server.get(`/api/v1/incidents/${incident}`)).properties;
    expect([before.status, before.version]).toEqual(['new', 1]);

    // The agency of the category has it: there is somebody to assign it back to.
    await page.keyboard.press('t');
    await page.waitForSelector('[data-option="bpbd"]');
    await page.keyboard.press('5');
    await page.waitForSelector('[data-undo="assign"][data-waits="false"]');
    expect((await server.get(`/api/v1/incidents/${incident}`)).properties.agency).toBe('bpbd');
    await page.keyboard.press('Control+z');
    await until(10_000, () => 'it is assigned back', async () => (await server.get(`/api/v1/incidents/${incident}`)).properties.agency === before.agency);

    // What waits when the page goes away goes out with it.
    await page.keyboard.press('v');
    await shows(page, 'verified');
    await page.goto('about:blank');
    await until(10_000, () => 'it is verified', async () => (await status(incident)) === 'verified');
    await console.close();
  });

  it('what one handled is found in a list of its own, counted, until it is closed', async () => {
    const name = await server.account('operator', PASSWORD);
    const [own, closed, other] = [await server.report('water', 127.3701, 0.7959), await server.report('garbage', 127.3702, 0.7969), await server.report('water', 127.3703, 0.7979)];
    const console = await open(browser, `${server.url}/login`, 1366, 768, desk);
    const { page } = console;
    const counts = (n: number): Promise<unknown> => page.waitForFunction((text) => document.querySelector('[data-tab="mine"] b')?.textContent === text, String(n));
    await signIn(page, name);
    await page.goto(`${server.url}/console`);
    await page.waitForSelector(LIVE);
    await counts(0);
    for (const [n, incident] of [own, closed].entries()) {
      await page.click(`[data-row="i:${incident}"] button`);
      await page.waitForSelector('[data-action="verify"]');
      await page.keyboard.press('v');
      await page.click('[data-send-now]');
      await counts(n + 1);
    }
    await page.keyboard.press('5');
    await page.waitForSelector(`[data-row="i:${own}"]`);
    await page.waitForSelector(`[data-row="i:${closed}"]`);
    expect(await page.locator(`[data-row="i:${other}"]`).count()).toBe(0);
    await page.keyboard.press('Escape');
    await server.act(closed, 'reject', { reason: 'sudah diangkut', disposition: 'ghost' });
    await page.waitForSelector(`[data-row="i:${closed}"]`, { state: 'detached' });
    await counts(1);
    // It outlives the page, and is somebody else's of nobody else.
    await page.reload();
    await page.waitForSelector(`[data-row="i:${own}"]`);
    await counts(1);
    await clean(page, 'the list of what is mine');
    await signIn(page, await server.account('operator', PASSWORD));
    await page.goto(`${server.url}/console?tab=mine`);
    await page.waitForSelector('[data-empty]');
    await counts(0);
    await console.close();
  });

  it('an agency sees its own queue, and what it may do there', async () => {
    const name = await server.account('agency', PASSWORD, ['--agency', 'dlh']);
    const [mine, other] = [await server.report('garbage', 127.3835, 0.7925), await server.report('traffic', 127.3835, 0.7925)];
    await server.act(mine, 'verify');
    await server.act(other, 'verify');
    const console = await open(browser, `${server.url}/login`, 1366, 768, desk);
    const { page } = console;
    await signIn(page, name);
    await page.goto(`${server.url}/login`);
    // The way to the console is shown by what they may do.
    await page.click('a[href="/console"]');
    await page.waitForSelector(`[data-row="i:${mine}"]`);
    // Nothing is there to verify, so all that is open is what it starts with.
    expect(await page.getAttribute('[data-tab="open"]', 'aria-pressed')).toBe('true');
    expect(await page.locator(`[data-row="i:${other}"]`).count()).toBe(0);
    expect(await page.locator('[data-row] input').count()).toBe(0);
    await page.click(`[data-row="i:${mine}"] button`);
    await page.waitForSelector('[data-action="start"]');
    expect(await page.locator('[data-actions] [data-action]').evaluateAll((all) => all.map((one) => one.getAttribute('data-action')))).toEqual(expect.arrayContaining(['start', 'resolve', 'note']));
    for (const action of ['verify', 'assign', 'reject', 'reopen', 'merge', 'pause']) expect(await page.locator(`[data-actions] [data-action="${action}"]`).count(), action).toBe(0);
    await page.keyboard.press('x');
    await page.keyboard.press('s');
    await shows(page, 'in_progress');
    await page.click('[data-send-now]');
    await until(10_000, () => 'work has started', async () => (await status(mine)) === 'in_progress');
    await console.close();
  });

  it('a deadline has its sign and its words for those who work, and no public page has one', async () => {
    const incident = await server.report('accident', 127.3841, 0.7911);
    const signs = '[data-legend="deadline"] [data-sign]';
    const console = await open(browser, `${server.url}/console`, 1366, 768, desk);
    await console.page.waitForSelector(`[data-row="i:${incident}"] [data-clock] [data-sign]`);
    expect(await console.page.locator(signs).evaluateAll((all) => all.map((one) => one.getAttribute('data-sign')))).toEqual(['late', 'soon', 'ok', 'paused']);
    await console.close();
    const wall = await open(browser, `${server.url}/wall`, 1920, 1080, desk);
    await wall.page.waitForSelector(`[data-incident="i:${incident}"] [data-sign]`);
    await wall.page.waitForSelector(signs);
    await wall.close();
    for (const path of ['/wall', '/embed']) {
      const page = await open(browser, server.url + path, 1366, 768, async (page) => {
        await desk(page);
        await page.route('**/api/v1/city*', async (route) => route.fulfill({ json: { ...(await (await route.fetch()).json()), projection: 'public' } }));
      });
      await page.page.waitForSelector(path === '/embed' ? '.legend' : `[data-incident="i:${incident}"]`);
      expect(await page.page.locator('[data-sign]').count(), path).toBe(0);
      await page.close();
    }
  });

  it('whoever is not staff is told so, and what to do', async () => {
    const console = await open(browser, `${server.url}/console`, 1366, 768, async (page) => {
      await desk(page);
      await page.route('**/api/v1/city*', async (route) => route.fulfill({ json: { ...(await (await route.fetch()).json()), projection: 'public' } }));
      // Also where the line is gone in that moment: there is a page to sign in at.
      await page.route('**/login', (route) => route.abort());
    });
    await console.page.waitForSelector('[data-denied] .do:not(:empty)');
    const said = await console.page.innerText('[data-denied]');
    expect(said).toContain('Anda belum masuk');
    expect(said).toContain('Masuk, lalu buka konsol lagi');
    expect(await console.page.getAttribute('[data-denied] a', 'href')).toBe('/login?next=%2Fconsole');
    await console.close();
  });

  it('who was told of what is late can be read to the end', async () => {
    const incident = await server.report('water', 127.3822, 0.7897);
    const console = await open(browser, `${server.url}/console?incident=i:${incident}`, 1440, 900, async (page) => {
      await desk(page);
      await asLate(page, incident, 2);
    });
    const { page } = console;
    await page.waitForSelector('article [data-escalation="2"]');
    for (const [width, height] of [[1440, 900], [390, 844]] as const) {
      await page.setViewportSize({ width, height });
      const [chip, panel] = await Promise.all(['article [data-escalation="2"]', 'article'].map((one) => page.locator(one).boundingBox()));
      expect((chip?.x ?? NaN) + (chip?.width ?? NaN), `at ${width}`).toBeLessThanOrEqual((panel?.x ?? NaN) + (panel?.width ?? NaN));
    }
    await console.close();
  });

  it('overflows no width, and every column can be reached on each', async () => {
    const incident = await server.report('disaster', 127.3822, 0.7899);
    const console = await open(browser, `${server.url}/console?incident=i:${incident}`, 1440, 900, desk);
    const { page } = console;
    await page.waitForSelector(`[data-incident="i:${incident}"]`);
    for (const [width, height] of [[1440, 900], [1366, 768], [1024, 768], [390, 844]] as const) {
      await page.setViewportSize({ width, height });
      expect(await tooWide(page), `at ${width}×${height}`).toEqual([]);
      for (const view of width > 1100 ? [] : width > 720 ? ['map', 'incident'] : ['map', 'incident', 'queue']) {
        await page.click(`[data-show="${view}"]`);
        await page.waitForSelector(view === 'map' ? '.map' : view === 'queue' ? '[data-row]' : '[data-actions]', { state: 'visible' });
      }
    }
    await console.close();
  });
});
