import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CHROMIUM, launch, open, tooWide, type Opened } from './browser';
import { Line } from './line';
import { BINARY, Pantau, until } from './pantau';

const LIVE = '[data-phase="live"]';
/** All islands of the city: what the map shows is what the city has. */
const EVERYTHING = 'bbox=126.0,0.3,127.6,1.5';
const DRILL_RATE = 40;

if (BINARY === null || CHROMIUM === null) console.warn(`skipped, no ${BINARY === null ? 'pantau binary (PANTAU_BIN)' : 'Chromium (CHROMIUM_BIN)'}: e2e/pages.test.ts`);

describe.skipIf(BINARY === null || CHROMIUM === null)('the pages over a running server', () => {
  let server: Pantau;
  let browser: Browser;
  let endDrill: () => Promise<unknown>;

  beforeAll(async () => {
    [server, browser] = await Promise.all([Pantau.start(), launch()]);
    endDrill = server.drill(DRILL_RATE);
    await until(60_000, () => 'the drill makes a hotspot', async () => (await server.get('/api/v1/hotspots')).features.length > 0);
  });

  afterAll(async () => {
    await endDrill?.();
    await browser?.close();
    await server?.remove();
  });

  it('the wall is live and shows the hotspots, numbered, with why they are there', async () => {
    const wall = await open(browser, `${server.url}/wall`, 1920, 1080);
    await wall.page.waitForSelector(LIVE);
    await wall.page.waitForSelector('[data-hotspot] .rank');
    expect(await wall.page.textContent('[data-hotspot] .rank')).toBe('1');
    expect(await wall.page.textContent('[data-hotspot] .why')).toMatch(/\d+\slaporan/);
    expect(await wall.page.textContent('[data-phase]')).toContain('LANGSUNG');
    expect(await wall.page.getAttribute('html', 'lang')).toBe('id');
    await wall.page.waitForSelector('[data-band="drill"]');
    await expectOwnHostOnly(wall, server);
    await wall.close();
  });

  it('every count on the wall is the count of the server', async () => {
    await endDrill();
    const wall = await open(browser, `${server.url}/wall?${EVERYTHING}`, 1920, 1080);
    await wall.page.waitForSelector(LIVE);
    let seen = {};
    let told = {};
    await until(20_000, () => `the wall says ${JSON.stringify(seen)}, the server ${JSON.stringify(told)}`, async () => {
      const stats = await server.get('/api/v1/stats');
      told = {
        map: stats.total,
        categories: sum(Object.values(stats.by_category)),
        new: stats.by_status.new ?? 0,
        verified: stats.by_status.verified ?? 0,
        in_progress: stats.by_status.in_progress ?? 0,
        resolved: stats.resolved_today,
      };
      const texts = (selector: string): Promise<number[]> =>
        wall.page.$$eval(selector, (all) => all.map((one) => Number((one.textContent ?? '').replaceAll('.', ''))));
      const [fresh, verified, working, done] = await texts('[data-counter] dd');
      seen = {
        map: Number(await wall.page.getAttribute('.map', 'data-shown')),
        categories: sum(await texts('[data-category] b')),
        new: fresh,
        verified,
        in_progress: working,
        resolved: done,
      };
      return JSON.stringify(seen) === JSON.stringify(told);
    });
    await wall.close();
  });

  it('the wall says that it is not live when the server dies, and heals by itself when it is back', async () => {
    const wall = await open(browser, `${server.url}/wall`, 1920, 1080);
    await wall.page.waitForSelector(LIVE);
    await wall.page.evaluate(() => ((window as unknown as { same: boolean }).same = true));
    await server.down();
    await wall.page.waitForSelector('[data-phase="reconnecting"], [data-phase="stale"]');
    expect(await wall.page.textContent('[data-phase]')).toMatch(/MENYAMBUNG KEMBALI|TERTUNDA sejak/);
    expect(await wall.page.locator('.wall.late').count()).toBe(1);
    await server.up();
    await wall.page.waitForSelector(LIVE, { timeout: 40_000 });
    expect(await wall.page.locator('.wall.late').count()).toBe(0);
    expect(await wall.page.evaluate(() => (window as unknown as { same?: boolean }).same)).toBe(true);
    // And what happens from now on arrives.
    const before = await server.get('/api/v1/stats');
    await server.report('garbage', 127.3835, 0.7905);
    await wall.page.waitForFunction((n) => Number(document.querySelector('[data-counter="new"] dd')?.textContent) === n, (before.by_status.new ?? 0) + 1);
    await wall.close();
  });

  it('the wall speaks English when asked', async () => {
    const wall = await open(browser, `${server.url}/wall?lang=en`, 1920, 1080);
    await wall.page.waitForSelector(LIVE);
    expect(await wall.page.textContent('[data-phase]')).toContain('LIVE');
    const text = await wall.page.innerText('body');
    expect(text).toContain('Hotspots');
    expect(text).not.toContain('Titik panas');
    await wall.close();
  });

  it('a wall whose address names what the city does not have says so, is live, and shows the rest', async () => {
    for (const [lang, says] of [['id', /menyebut kategori yang tidak ada di kota ini: banjir\. Yang tampil: Air bersih/], ['en', /names a category that this city does not have: banjir\. Shown: Water supply/]] as const) {
      const wall = await open(browser, `${server.url}/wall?category=banjir,water&area=99.99&bbox=127,1&lang=${lang}`, 1920, 1080);
      await wall.page.waitForSelector(LIVE);
      expect(await wall.page.getAttribute('[data-misnamed]', 'data-misnamed')).toBe('category area box');
      expect(await wall.page.textContent('[data-misnamed]')).toMatch(says);
      expect(await wall.page.$$eval('[data-category]', (all) => all.map((one) => one.getAttribute('data-category')))).toEqual(['water']);
      expect(await tooWide(wall.page)).toEqual([]);
      await wall.close();
    }
    const right = await open(browser, `${server.url}/wall?category=water`, 1920, 1080);
    await right.page.waitForSelector(LIVE);
    expect(await right.page.locator('[data-misnamed]').count()).toBe(0);
    await right.close();
  });

  it('an embedded map says what its address names in vain', async () => {
    const embed = await open(browser, `${server.url}/embed?category=banjir&area=99.99`, 390, 560);
    await embed.page.waitForSelector('.misnamed');
    expect(await embed.page.textContent('.misnamed')).toMatch(/kategori yang tidak ada di kota ini: banjir.*wilayah yang tidak ada di kota ini: 99\.99/);
    expect(await tooWide(embed.page)).toEqual([]);
    await embed.close();
  });

  it('a report is first in the list of the field page the moment it is in', async () => {
    const field = await open(browser, `${server.url}/field`, 390, 844);
    await field.page.waitForSelector(LIVE);
    await field.page.waitForSelector('[data-incident]');
    const incident = await server.report('water', 127.3841, 0.7911);
    await field.page.waitForSelector(`[data-incident="i:${incident}"].fresh`);
    expect(await field.page.getAttribute('[data-incident]', 'data-incident')).toBe(`i:${incident}`);
    await expectOwnHostOnly(field, server);
    await field.close();
  });

  it('the field page keeps the choice of an area in its address, and shows only what lies there', async () => {
    const field = await open(browser, `${server.url}/field`, 390, 844);
    await field.page.waitForSelector('[data-incident]');
    await field.page.click('[data-filter="area"]');
    await field.page.click('dialog .district:first-of-type label');
    await field.page.click('dialog [data-done]');
    await field.page.waitForFunction(() => new URLSearchParams(location.search).has('area'));
    const area = new URL(field.page.url()).searchParams.get('area') ?? '';
    const told = await server.get(`/api/v1/incidents?area=${area}&limit=1`);
    await field.page.waitForFunction((n) => (document.querySelector('h2[aria-live]')?.textContent ?? '').startsWith(`${n} `), told.numberMatched);
    await field.close();
  });

  it('staff verify an incident from the phone', async () => {
    const incident = await server.report('infrastructure', 127.3822, 0.7899);
    const field = await open(browser, `${server.url}/field?incident=i:${incident}`, 390, 844);
    await field.page.click('[data-action="verify"]');
    await field.page.waitForSelector('[data-action="start"]');
    expect((await server.get(`/api/v1/incidents/${incident}`)).properties.status).toBe('verified');
    await field.close();
  });

  it('the embedded map asks for public data only, keeps nothing, and shows no text and nothing unverified', async () => {
    const [seen] = await Promise.all([server.report('water', 127.3801, 0.7921), server.report('water', 127.3702, 0.7721)]);
    await server.act(seen, 'verify');
    const embed = await open(browser, `${server.url}/embed?category=water`, 800, 560);
    const told = await server.get('/api/v1/stats?projection=public&category=water');
    expect(told.total).toBeGreaterThan(0);
    await embed.page.waitForFunction((n) => Number((document.querySelector('.map') as HTMLElement | null)?.dataset.shown) === n, told.total);
    expect(Number(await embed.page.textContent('[data-category="water"] b'))).toBe(told.total);
    const text = await embed.page.innerText('body');
    for (const { properties } of (await server.get('/api/v1/incidents?limit=1000')).features) {
      // Outside the areas an incident's title is its category's name, which stands in the legend.
      if (properties.area !== null) expect(text).not.toContain(properties.title.id);
    }
    expect(text).not.toContain('Pak Ahmad');
    for (const address of embed.asked.filter((one) => new URL(one).pathname.startsWith('/api/'))) expect(new URL(address).searchParams.get('projection'), address).toBe('public');
    expect(await embed.page.evaluate(() => [document.cookie, localStorage.length, sessionStorage.length])).toEqual(['', 0, 0]);
    await expectOwnHostOnly(embed, server);
    await embed.close();
  });

  it('the first page links what exists', async () => {
    const home = await open(browser, server.url, 1440, 900);
    await home.page.waitForSelector('main ul a');
    const links = await home.page.$$eval('main nav a, main ul a', (all) => all.map((one) => one.getAttribute('href') ?? ''));
    for (const link of ['/wall', '/console', '/field', '/embed', '/openapi.json', '/healthz']) expect(links).toContain(link);
    for (const link of links) expect((await fetch(server.url + link)).status, link).toBe(200);
    await expectOwnHostOnly(home, server);
    await home.close();
  });

  for (const path of ['/', '/wall', '/console', '/field', '/embed']) {
    it(`${path} overflows neither a phone nor a wall`, async () => {
      const opened = await open(browser, server.url + path, 390, 844);
      for (const [width, height] of [[390, 844], [1920, 1080], [3840, 2160]] as const) {
        await opened.page.setViewportSize({ width, height });
        await opened.page.waitForSelector(path === '/' ? 'main nav' : '.map canvas');
        expect(await tooWide(opened.page), `at ${width}×${height}`).toEqual([]);
      }
      expect(opened.errors).toEqual([]);
      await opened.close();
    });
  }

  it('the wall fits a narrow phone in every state, at every hour, with long names and large counts', async () => {
    const line = new Line();
    const wall = await open(browser, `${server.url}/wall?distance_m=9`, 390, 844, async (page) => {
      await line.runThrough(page);
      await page.route('**/api/v1/city*', async (route) => route.fulfill({ json: awkward(await (await route.fetch()).json()) }));
    });
    for (const phase of ['live', 'reconnecting', 'stale']) {
      if (phase === 'reconnecting') await line.cut();
      await wall.page.waitForSelector(`[data-phase="${phase}"]`);
      await wall.page.waitForFunction(() => /\d\d\.\d{3}/.test(document.querySelector('[data-counter="new"] dd')?.textContent ?? ''));
      for (const width of [390, 360]) {
        await wall.page.setViewportSize({ width, height: 844 });
        expect(await tooWide(wall.page), `${phase}, ${width} wide`).toEqual([]);
      }
    }
    await wall.close();
  });
});

/** A city with a name that no phone has room for, where the running hour is one that has a label. */
function awkward(city: any): any {
  const later_h = (24 - new Date().getUTCHours()) % 6;
  return { ...city, name: { id: 'Kabupaten Administrasi Kepulauan Tanimbar', en: 'Tanimbar' }, time_zone: `Etc/GMT-${later_h}`, time_zone_label: 'WIB' };
}

async function expectOwnHostOnly({ asked, errors }: Opened, server: Pantau): Promise<void> {
  expect(asked.filter((address) => new URL(address).host !== new URL(server.url).host)).toEqual([]);
  expect(errors).toEqual([]);
}

function sum(numbers: readonly unknown[]): number {
  return numbers.reduce<number>((total, n) => total + Number(n), 0);
}
