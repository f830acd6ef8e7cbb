/**
 * At the size of a phone every control is at least 44 px high and wide, or has that much room to be hit in.
 *
 * At a desk, with a mouse, two kinds of control are smaller and stay so: the box that marks a row of the queue is 28 px
 * wide beside a row that opens by a click anywhere (a space or Shift+click marks it as well), and links in running text.
 */
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { still, withoutMap } from './axe';
import { CHROMIUM, launch, open, type Opened } from './browser';
import { BINARY, Pantau } from './pantau';
import { small } from './targets';

if (BINARY === null || CHROMIUM === null) console.warn(`skipped, no ${BINARY === null ? 'pantau binary (PANTAU_BIN)' : 'Chromium (CHROMIUM_BIN)'}: e2e/targets.test.ts`);

describe.skipIf(BINARY === null || CHROMIUM === null)('what a finger hits', { timeout: 300_000 }, () => {
  let server: Pantau;
  let browser: Browser;
  let incident: string;

  beforeAll(async () => {
    [server, browser] = await Promise.all([Pantau.start(), launch()]);
    incident = await server.report('garbage', 127.3841, 0.7911);
    await server.act(incident, 'note', { note: 'pelapor ditelepon' });
    for (let n = 0; n < 3; n++) await server.report('water', 127.38 + n / 500, 0.7911);
  });

  afterAll(async () => {
    await browser?.close();
    await server?.remove();
  });

  const look = (path: string): Promise<Opened> =>
    open(browser, server.url + path, 390, 844, async (page) => {
      await still(page);
      await withoutMap(page);
      await page.addInitScript(() => localStorage.setItem('pantau.tour', 'known'));
    });
  const holds = async (page: Page, state: string): Promise<void> => {
    const found = await small(page);
    expect.soft(found, `${state}:\n${found.join('\n')}`).toEqual([]);
  };

  it('is large enough at the console: queue, incident, forms, dialogs', async () => {
    const { page, close } = await look(`/console?incident=i:${incident}`);
    await page.waitForSelector('[data-actions]');
    await page.waitForSelector('[data-history]', { state: 'attached' });
    for (const view of ['map', 'queue', 'incident']) {
      await page.click(`[data-show="${view}"]`);
      await holds(page, view);
    }
    for (const [key, selector] of [['x', '[data-form="reject"]'], ['t', '[data-option]'], ['p', '[data-form="pause"]'], ['w', '[data-form="answer"]'], ['m', '[data-suggestion], [data-join]']] as const) {
      await page.keyboard.press(key);
      if (key !== 'm') await page.waitForSelector(selector);
      await holds(page, `form of ${key}`);
      await page.keyboard.press('Escape');
    }
    for (const key of ['?', 'f', '/', 'Control+k', 'h']) {
      await page.keyboard.press(key);
      await page.waitForSelector('dialog[open]');
      await holds(page, `dialog of ${key}`);
      await page.keyboard.press('Escape');
      await page.waitForSelector('dialog', { state: 'detached' });
    }
    await close();
  });

  it('is large enough in the street: list, pickers, one incident', async () => {
    const { page, close } = await look('/field');
    await page.waitForSelector('[data-incident]');
    await holds(page, 'list');
    for (const panel of ['area', 'category', 'status']) {
      await page.click(`[data-filter="${panel}"]`);
      await page.waitForSelector('dialog[open]');
      await holds(page, `picker of ${panel}`);
      await page.keyboard.press('Escape');
      await page.waitForSelector('dialog', { state: 'detached' });
    }
    await page.click('[data-incident]');
    await page.waitForSelector('[data-detail]');
    await holds(page, 'one incident');
    await close();
  });

  for (const [path, there] of [['/', '.now'], ['/login', 'main h1'], ['/handover', '[data-handover="read"]'], ['/sitrep', '[data-sitrep="read"]'], ['/audit', '[data-line]'], ['/statistics', '[data-statistics], main table, main [data-fault], main .quiet'], ['/replay', 'main, .replay'], ['/wall', '[data-phase="live"]']] as const) {
    it(`is large enough at ${path}`, async () => {
      const { page, close } = await look(path);
      await page.waitForSelector(there);
      await holds(page, path);
      await close();
    });
  }
});
