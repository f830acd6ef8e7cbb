/** What becomes late is told at the console of whoever it is for, whatever they do there, and a key opens it. */
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { clean } from './axe';
import { CHROMIUM, launch, tooWide } from './browser';
import { LIVE } from './desk';
import { LatePack } from './late_pack';
import { BINARY, Pantau, until } from './pantau';
import { Person } from './person';

if (BINARY === null || CHROMIUM === null) console.warn(`skipped, no ${BINARY === null ? 'pantau binary (PANTAU_BIN)' : 'Chromium (CHROMIUM_BIN)'}: e2e/console_late.test.ts`);

describe.skipIf(BINARY === null || CHROMIUM === null)('what becomes late', { timeout: 300_000 }, () => {
  let pack: LatePack;
  let server: Pantau;
  let browser: Browser;

  beforeAll(async () => {
    pack = new LatePack('1m', '2m');
    [server, browser] = await Promise.all([Pantau.start(pack.dir, []), launch()]);
  });

  afterAll(async () => {
    await browser?.close();
    await server?.remove();
    pack?.remove();
  });

  it('is told to the operator at once, to the supervisor a minute later, to the head last, and with no key pressed', async () => {
    const [operator, supervisor] = [await Person.signIn(server, browser, 'operator'), await Person.signIn(server, browser, 'supervisor')];
    const head = await Person.signIn(server, browser, 'supervisor');
    server.command(['user', 'head', head.name]);
    const isHead = (): Promise<boolean> => head.page.evaluate(async () => (await (await fetch('/api/v1/session')).json()).head === true);
    await until(60_000, () => 'the server knows who the head is', isHead);
    await head.page.reload();
    await head.page.waitForSelector(LIVE);
    const { page } = operator;
    const read = await server.report('water', 127.3841, 0.7911);
    await operator.pick(read);
    await operator.press('n');
    await page.waitForSelector('[data-form="note"] textarea:focus');
    const [first, lamp] = [await server.report('lighting', 127.3731, 0.7771), await server.report('lighting', 127.3741, 0.7871)];
    await page.waitForSelector(`[data-late="i:${first}"], [data-late="i:${lamp}"]`);
    await page.waitForFunction(() => document.querySelector('[data-late] small')?.textContent === '+1 lagi');
    expect(await page.textContent('[data-late]')).toContain('Terlambat verifikasi');
    expect(await page.getAttribute('[role="alert"][data-late]', 'data-level')).toBe('0');
    // Whoever writes goes on writing, and what they write is text.
    await page.keyboard.type('es batu');
    expect(await page.inputValue('textarea:focus')).toBe('es batu');
    await clean(page, 'late, while somebody writes');
    await page.keyboard.press('Escape');

    // One is opened by its key; the other was seen to by somebody else.
    const newest = (await page.getAttribute('[data-late]', 'data-late')) ?? '';
    await operator.press('e');
    await page.waitForSelector(`article[data-incident="${newest}"]`);
    const other = newest === `i:${lamp}` ? first : lamp;
    await page.waitForSelector(`[data-late="i:${other}"]`);
    expect(await supervisor.page.locator('[data-late]').count()).toBe(0);
    await supervisor.pick(other);
    await supervisor.press('x');
    await supervisor.page.waitForSelector('[data-form="reject"] textarea:focus');
    await supervisor.press('3', 'Enter');
    await supervisor.page.waitForSelector('[data-undo="reject"]');
    await supervisor.sendNow();
    await page.waitForSelector('[data-late]', { state: 'detached' });

    await supervisor.page.waitForSelector(`[data-late="${newest}"][data-level="1"]`, { timeout: 150_000 });
    expect(await supervisor.page.textContent('[data-late]')).toContain('ke penyelia');
    for (const [width, height] of [[1366, 768], [1024, 768], [390, 844]] as const) {
      await supervisor.page.setViewportSize({ width, height });
      expect(await tooWide(supervisor.page), `at ${width}×${height}`).toEqual([]);
    }
    await clean(supervisor.page, 'late, on a phone');
    await supervisor.page.click('[data-open-late]');
    await supervisor.page.waitForSelector(`article[data-incident="${newest}"]`);
    await supervisor.page.waitForSelector('[data-late]', { state: 'detached' });
    // Its number of the higher rung is the supervisor's; the operator was told once.
    expect(await page.locator(`[data-late="${newest}"]`).count()).toBe(0);

    // The head was called for none of it before.
    expect(await head.page.locator('[data-late]').count()).toBe(0);
    await head.page.waitForSelector(`[data-late="${newest}"][data-level="2"]`, { timeout: 150_000 });
    expect(await head.page.textContent('[data-late]')).toContain('ke pimpinan');
    await head.press('e');
    await head.page.waitForSelector(`article[data-incident="${newest}"]`);
    for (const person of [operator, supervisor, head]) {
      person.isWell();
      await person.close();
    }
  });
});
