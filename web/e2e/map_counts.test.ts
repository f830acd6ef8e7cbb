/** How many reports and people stand behind a mark of the map, over a running server and a map that is really drawn. */
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { still } from './axe';
import { CHROMIUM, launch, open } from './browser';
import { LIVE } from './desk';
import { BINARY, Pantau, until } from './pantau';

const PLACE = [127.3835, 0.7905] as const;

if (BINARY === null || CHROMIUM === null) console.warn(`skipped, no ${BINARY === null ? 'pantau binary (PANTAU_BIN)' : 'Chromium (CHROMIUM_BIN)'}: e2e/map_counts.test.ts`);

describe.skipIf(BINARY === null || CHROMIUM === null)('a mark of the map', { timeout: 200_000 }, () => {
  let server: Pantau;
  let browser: Browser;
  let incident: string;

  beforeAll(async () => {
    [server, browser] = await Promise.all([Pantau.start(), launch()]);
    const report = (device: string, more: object = {}): Promise<any> => server.post('/api/v1/reports', { category: 'garbage', lng: PLACE[0], lat: PLACE[1], reporter: { device }, ...more });
    ({ incident } = await report('ani'));
    await report('budi', { incident });
    await report('ani', { incident });
    await server.act(incident, 'verify');
  });

  afterAll(async () => {
    await browser?.close();
    await server?.remove();
  });

  /** Moves the pointer over the middle of the map, and on to the right by `beyond`, until something there says something. */
  async function pointed(page: Page, beyond = 40): Promise<string> {
    let said = '';
    await until(90_000, () => 'the map says what is under the pointer', async () => {
      const box = await page.locator('canvas.maplibregl-canvas').boundingBox();
      if (box === null) return false;
      for (let dy = -40; dy <= 40; dy += 20) {
        for (let dx = -40; dx <= beyond; dx += 20) {
          await page.mouse.move(box.x + box.width / 2 + dx, box.y + box.height / 2 + dy);
          said = (await page.getAttribute('canvas.maplibregl-canvas', 'title')) ?? '';
          if (said !== '') return true;
        }
      }
      return false;
    });
    return said;
  }

  it('says to an operator how many reports and how many people stand behind it, and nothing beside it', async () => {
    const told = (await server.get(`/api/v1/incidents/${incident}`)).properties;
    expect([told.reports, told.reporters]).toEqual([3, 2]);
    const console_ = await open(browser, `${server.url}/console?incident=i:${incident}`, 1440, 900, async (page) => {
      await still(page);
      await page.addInitScript(() => localStorage.setItem('pantau.tour', 'known'));
    });
    const { page } = console_;
    await page.waitForSelector(LIVE);
    await page.waitForFunction(() => (document.querySelector('.map') as HTMLElement | null)?.dataset.shown === '1');
    await page.keyboard.press('z');
    expect(await pointed(page)).toContain(': 3 laporan, 2 pelapor');
    const box = await page.locator('canvas.maplibregl-canvas').boundingBox();
    await page.mouse.move((box?.x ?? 0) + 60, (box?.y ?? 0) + 60);
    await until(20_000, () => 'nothing is said of the sea', async () => (await page.getAttribute('canvas.maplibregl-canvas', 'title')) === '');
    await console_.close();
  });

  it('says to the public how many reports, and not how many people', async () => {
    const near = [PLACE[0] - 0.01, PLACE[1] - 0.01, PLACE[0] + 0.01, PLACE[1] + 0.01].join(',');
    const wall = await open(browser, `${server.url}/wall?projection=public&lang=en&bbox=${near}`, 1280, 720, still);
    await wall.page.waitForFunction(() => (document.querySelector('.map') as HTMLElement | null)?.dataset.shown === '1');
    // Its middle is that of what the panel at the left leaves free.
    const said = await pointed(wall.page, 300);
    expect(said).toContain('3 reports');
    expect(said).not.toContain('reporter');
    await wall.close();
  });
});
