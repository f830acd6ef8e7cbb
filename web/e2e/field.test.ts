/** Notes and steps of the checklist from the street, against the real server, with and without a network. */
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { findings, still } from './axe';
import { CHROMIUM, launch, open, tooWide, type Opened } from './browser';
import { desk, LIVE, PASSWORD, signIn } from './desk';
import { BINARY, Pantau, until } from './pantau';

if (BINARY === null || CHROMIUM === null) console.warn(`skipped, no ${BINARY === null ? 'pantau binary (PANTAU_BIN)' : 'Chromium (CHROMIUM_BIN)'}: e2e/field.test.ts`);

describe.skipIf(BINARY === null || CHROMIUM === null)('the phone in the street', { timeout: 300_000 }, () => {
  let server: Pantau;
  let browser: Browser;

  beforeAll(async () => {
    [server, browser] = await Promise.all([Pantau.start(), launch()]);
  });

  afterAll(async () => {
    await browser?.close();
    await server?.remove();
  });

  /** Somebody of that role, at an incident. */
  async function at(incident: string, role: string, more: readonly string[] = []): Promise<Opened & { name: string }> {
    const name = await server.account(role, PASSWORD, more);
    const opened = await open(browser, `${server.url}/login`, 390, 844, async (page) => {
      await still(page);
      await desk(page);
    });
    await signIn(opened.page, name);
    await opened.page.goto(`${server.url}/field?incident=i:${incident}`);
    return { ...opened, name };
  }

  const log = async (incident: string): Promise<any[]> => (await server.get(`/api/v1/incidents/${incident}`)).properties.log.filter(({ kind }: { kind: string }) => kind === 'action');
  const clean = async (page: Page, state: string): Promise<void> => {
    const found = await findings(page);
    expect.soft(found, `${state}:\n${found.join('\n')}`).toEqual([]);
    expect.soft(await tooWide(page), state).toEqual([]);
  };
  /** Each is as large as a thumb. */
  const large = async (page: Page, selector: string): Promise<void> => {
    for (const box of await Promise.all((await page.locator(selector).all()).map((one) => one.boundingBox()))) expect(Math.min(box?.width ?? 0, box?.height ?? 0), selector).toBeGreaterThanOrEqual(44);
  };

  it('without a network nothing is called live', async () => {
    const { page, close } = await open(browser, `${server.url}/field`, 390, 844, desk);
    await page.waitForSelector(LIVE);
    await page.context().setOffline(true);
    await page.waitForSelector('.notice.amber');
    expect(await page.locator(LIVE).count()).toBe(0);
    await page.context().setOffline(false);
    await page.waitForSelector('.notice.amber', { state: 'detached' });
    await page.waitForSelector(LIVE);
    await close();
  });

  it('a responder notes and ticks, and is not offered what the role may not do', async () => {
    const incident = await server.report('garbage', 127.3835, 0.7905);
    const { page, name, close } = await at(incident, 'responder', ['--area', '82.71']);
    await page.waitForSelector('[data-write="note"]');
    expect(await page.locator('[data-write="answer"], [data-action]').count()).toBe(0);
    await large(page, '[data-write]');
    await large(page, '[data-checklist] label');
    await page.check('[data-check="measure"]');
    await until(20_000, () => 'the step is stored', async () => (await server.get(`/api/v1/incidents/${incident}`)).properties.checklist[0].by === name);
    await page.click('[data-write="note"]');
    await page.waitForSelector('[data-form="note"] textarea:focus');
    await page.keyboard.type('Timbunan sekitar dua kubik.');
    await clean(page, 'a note is written');
    await large(page, '[data-form] button');
    await page.click('[data-send]');
    await until(20_000, () => 'the note is stored', async () => (await log(incident)).some(({ action, note, actor }) => action === 'note' && note === 'Timbunan sekitar dua kubik.' && actor === name));
    await page.waitForFunction(() => document.querySelector('[data-detail]')?.textContent?.includes('Catatan: Timbunan sekitar dua kubik.'));
    await page.uncheck('[data-check="measure"]');
    await until(20_000, () => 'the step is open again', async () => (await server.get(`/api/v1/incidents/${incident}`)).properties.checklist[0].done_at === null);
    await close();
  });

  it('without a network they wait on the phone, also through a reload, and each is stored once', async () => {
    const incident = await server.report('garbage', 127.3841, 0.7911);
    const { page, close } = await at(incident, 'responder', ['--area', '82.71']);
    await page.waitForSelector('[data-write="note"]');
    // The first is stored, and its answer is lost on the way.
    await page.route('**/api/v1/incidents/*/{note,check}', async (route) => {
      if (route.request().postData()?.includes('pertama') === true) await route.fetch();
      await route.abort();
    });
    const note = async (text: string): Promise<void> => {
      await page.click('[data-write="note"]');
      await page.fill('[data-form="note"] textarea', text);
      await page.click('[data-send]');
    };
    await note('catatan pertama');
    await page.waitForSelector('[data-waiting="lost"]');
    await note('catatan kedua');
    await page.check('[data-check="haul"]');
    await page.waitForSelector('[data-unsent="3"]');
    await page.waitForSelector('[data-wished]');
    await clean(page, 'three wait');
    await page.reload();
    await page.waitForSelector('[data-unsent="3"]');
    expect(await page.isChecked('[data-check="haul"]')).toBe(true);
    await page.unroute('**/api/v1/incidents/*/{note,check}');
    await page.click('[data-again]');
    await page.waitForFunction(() => document.querySelector('[data-unsent], [data-waiting]') === null);
    await until(20_000, () => 'the step is stored', async () => (await log(incident)).some(({ action }) => action === 'check'));
    expect((await log(incident)).map(({ action, note }) => [action, note])).toEqual([['note', 'catatan pertama'], ['note', 'catatan kedua'], ['check', null]]);
    await close();
  });

  it('an answer to a citizen does not go out when the incident changed meanwhile, and the words can be taken back', async () => {
    const incident = await server.report('garbage', 127.3847, 0.7917);
    await server.act(incident, 'assign', { agency: 'dlh' });
    const { page, close } = await at(incident, 'agency', ['--agency', 'dlh']);
    await page.waitForSelector('[data-write="answer"]');
    await page.route('**/api/v1/incidents/*/note', (route) => route.abort());
    await page.click('[data-write="answer"]');
    await page.fill('[data-form="answer"] textarea', 'Truk datang pukul tujuh.');
    await clean(page, 'an answer is written');
    await page.click('[data-send]');
    await page.waitForSelector('[data-waiting="lost"]');
    await server.act(incident, 'reject', { reason: 'sudah dibersihkan warga', disposition: 'duplicate' });
    await page.unroute('**/api/v1/incidents/*/note');
    await page.click('[data-again]');
    await page.waitForSelector('[data-waiting="changed"] [data-anyway]');
    await clean(page, 'the incident changed');
    await page.click('[data-back]');
    await page.waitForSelector('[data-form="answer"] textarea:focus');
    expect(await page.inputValue('[data-form="answer"] textarea')).toBe('Truk datang pukul tujuh.');
    await page.fill('[data-form="answer"] textarea', 'Sudah bersih, terima kasih.');
    await page.click('[data-send]');
    await until(20_000, () => 'the answer is stored', async () => (await log(incident)).some(({ note }) => note === 'Sudah bersih, terima kasih.'));
    expect((await log(incident)).some(({ note }) => note === 'Truk datang pukul tujuh.')).toBe(false);
    await close();
  });
});
