/** A newer server while somebody works: the page waits for them, and a wall does not. */
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { findings, still } from './axe';
import { CHROMIUM, launch, open, tooWide, type Opened } from './browser';
import { desk, LIVE } from './desk';
import { Line } from './line';
import { BINARY, Pantau } from './pantau';

if (BINARY === null || CHROMIUM === null) console.warn(`skipped, no ${BINARY === null ? 'pantau binary (PANTAU_BIN)' : 'Chromium (CHROMIUM_BIN)'}: e2e/update.test.ts`);

describe.skipIf(BINARY === null || CHROMIUM === null)('a newer build', { timeout: 300_000 }, () => {
  let server: Pantau;
  let browser: Browser;

  beforeAll(async () => {
    [server, browser] = await Promise.all([Pantau.start(), launch()]);
  });

  afterAll(async () => {
    await browser?.close();
    await server?.remove();
  });

  /** The same page as long as the mark is there. */
  async function look(path: string, width: number, height: number): Promise<Opened & { line: Line }> {
    const line = new Line();
    const opened = await open(browser, server.url + path, width, height, async (page) => {
      await still(page);
      await desk(page);
      await page.addInitScript(() => localStorage.setItem('pantau.tour', 'known'));
      await line.runThrough(page);
    });
    await opened.page.waitForSelector(LIVE);
    await opened.page.evaluate(() => ((window as unknown as { same: boolean }).same = true));
    return { ...opened, line };
  }
  const same = (page: Page): Promise<boolean> => page.evaluate(() => (window as unknown as { same?: boolean }).same === true);
  const anew = (page: Page): Promise<unknown> => page.waitForFunction(() => (window as unknown as { same?: boolean }).same === undefined, undefined, { timeout: 40_000 });
  const clean = async (page: Page): Promise<void> => expect.soft([...(await findings(page)), ...(await tooWide(page))]).toEqual([]);

  it('waits in the console for what is written, and comes when that is put away', async () => {
    const incident = await server.report('garbage', 127.3835, 0.7905);
    const { page, line, close } = await look(`/console?incident=i:${incident}`, 1366, 768);
    await page.waitForSelector('[data-action="reject"]');
    await page.keyboard.press('n');
    await page.waitForSelector('[data-form="note"] textarea:focus');
    await page.keyboard.type('pelapor sudah ditelepon');
    await line.update();
    await page.waitForSelector('[data-new-build]');
    await clean(page);
    expect([await same(page), await page.inputValue('[data-form="note"] textarea')]).toEqual([true, 'pelapor sudah ditelepon']);
    await page.keyboard.press('Escape');
    await anew(page);
    await page.waitForSelector('[data-action="reject"]');
    await page.keyboard.press('n');
    await page.waitForFunction(() => document.querySelector<HTMLTextAreaElement>('[data-form="note"] textarea')?.value === 'pelapor sudah ditelepon');
    expect(await page.locator('[data-new-build]').count()).toBe(0);
    await close();
  });

  it('waits on the phone, and comes at once when somebody says so; the draft is there again', async () => {
    const incident = await server.report('garbage', 127.3841, 0.7911);
    const { page, line, close } = await look(`/field?incident=i:${incident}`, 390, 844);
    await page.click('[data-write="note"]');
    await page.fill('[data-form="note"] textarea', 'pompa tiba');
    await line.update();
    await page.waitForSelector('[data-new-build]');
    await clean(page);
    const box = await page.locator('[data-new-build] button').boundingBox();
    expect(Math.min(box?.width ?? 0, box?.height ?? 0)).toBeGreaterThanOrEqual(44);
    await page.click('[data-new-build] button');
    await anew(page);
    await page.waitForFunction(() => document.querySelector<HTMLTextAreaElement>('[data-form="note"] textarea')?.value === 'pompa tiba');
    await close();
  });

  it('is taken by a wall by itself', async () => {
    const { page, line, close } = await look('/wall', 1920, 1080);
    await line.update();
    await anew(page);
    await page.waitForSelector(LIVE);
    await close();
  });
});
