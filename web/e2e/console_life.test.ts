/** The life of an incident as people at the console live it: who gives back, confirms, answers, joins, pauses. */
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { clean } from './axe';
import { CHROMIUM, launch, open, type Opened } from './browser';
import { desk, LIVE, PASSWORD, signIn } from './desk';
import { BINARY, Pantau, until } from './pantau';

if (BINARY === null || CHROMIUM === null) console.warn(`skipped, no ${BINARY === null ? 'pantau binary (PANTAU_BIN)' : 'Chromium (CHROMIUM_BIN)'}: e2e/console_life.test.ts`);

describe.skipIf(BINARY === null || CHROMIUM === null)('an incident lives at the console', { timeout: 300_000 }, () => {
  let server: Pantau;
  let browser: Browser;

  beforeAll(async () => {
    [server, browser] = await Promise.all([Pantau.start(), launch()]);
  });

  afterAll(async () => {
    await browser?.close();
    await server?.remove();
  });

  const told = async (incident: string): Promise<any> => (await server.get(`/api/v1/incidents/${incident}`)).properties;
  const actions = (all: any): string[] => all.log.filter(({ kind }: { kind: string }) => kind === 'action').map(({ action }: { action: string }) => action);

  /** The console of somebody, at one incident. */
  async function at(incident: string, name: string | null = null, lang = 'id'): Promise<Opened> {
    const console = await open(browser, `${server.url}/login`, 1366, 768, desk);
    if (name !== null) await signIn(console.page, name);
    await console.page.goto(`${server.url}/console?lang=${lang}&incident=i:${incident}`);
    await console.page.waitForSelector(LIVE);
    await console.page.waitForSelector(`[data-incident="i:${incident}"]`);
    await console.page.waitForSelector('[data-history]', { state: 'attached' });
    return console;
  }

  const sendNow = async (page: Page): Promise<void> => {
    await page.click('[data-send-now]');
    await page.waitForSelector('[data-undo]', { state: 'detached' });
  };

  it('a number says what a rejected report was, and three keys are enough', async () => {
    const incident = await server.report('garbage', 127.3835, 0.7905);
    const { page, close } = await at(incident);
    await page.keyboard.press('x');
    await page.waitForSelector('[data-form="reject"] textarea:focus');
    // Without a choice it is not sent, and what is missing is said.
    await page.keyboard.press('Enter');
    await page.waitForSelector('[data-form="reject"] [role="alert"]');
    await clean(page, 'a rejection that lacks something');
    await page.keyboard.press('4');
    await page.keyboard.press('Enter');
    await page.waitForSelector('[data-status="rejected"]');
    await sendNow(page);
    await page.waitForSelector('[data-disposition-is="prank"]');
    const after = await told(incident);
    expect([after.status, after.disposition]).toEqual(['rejected', 'prank']);
    await close();
  });

  it('an agency gives back what is not its own, and the queue says that nobody has it', async () => {
    const name = await server.account('agency', PASSWORD, ['--agency', 'dlh']);
    const incident = await server.report('garbage', 127.3835, 0.7915);
    await server.act(incident, 'assign', { agency: 'dlh' });
    const agency = await at(incident, name);
    await agency.page.keyboard.press('b');
    await agency.page.waitForSelector('[data-form="return"] textarea:focus');
    await agency.page.keyboard.type('ini selokan, bukan sampah');
    await agency.page.selectOption('[data-form="return"] select', 'pupr');
    await clean(agency.page, 'giving back');
    await agency.page.click('[data-form="return"] [data-send]');
    await agency.page.click('[data-send-now]');
    await until(10_000, () => 'nobody has it', async () => (await told(incident)).returned === true);
    // It is theirs no more, and the page says so instead of an error.
    await agency.page.waitForSelector('[data-gone]', { timeout: 20_000 });
    await agency.close();

    const operator = await at(incident);
    await operator.page.waitForSelector('[data-returned]');
    expect(await operator.page.textContent('[data-step="return"]')).toContain('ini selokan, bukan sampah');
    expect(await operator.page.textContent('[data-step="return"]')).toContain('usul');
    await operator.close();
  });

  it('whoever resolved it cannot confirm it; somebody else can', async () => {
    const [ani, budi] = [await server.account('operator', PASSWORD), await server.account('supervisor', PASSWORD)];
    const incident = await server.report('water', 127.3835, 0.7925);
    await server.act(incident, 'verify');
    const first = await at(incident, ani);
    await first.page.keyboard.press('r');
    await first.page.waitForSelector('[data-form="resolve"] textarea:focus');
    await first.page.keyboard.press('Enter');
    await first.page.waitForSelector('[data-status="resolved"]');
    await sendNow(first.page);
    await first.page.waitForSelector('[data-four-eyes]');
    await clean(first.page, 'four eyes');
    expect(await first.page.locator('[data-action="confirm"]').count()).toBe(0);
    await first.close();

    const second = await at(incident, budi);
    await second.page.waitForSelector('[data-action="confirm"]');
    await second.page.keyboard.press('c');
    await sendNow(second.page);
    await second.page.waitForSelector('[data-confirmed]');
    expect((await told(incident)).confirmed.by).toBe(budi);
    await second.close();
  });

  it('what a citizen reads is written in a form of its own; what stays inside never reaches them', async () => {
    const { code, incident } = await server.post('/api/v1/reports', { category: 'water', lng: 127.3835, lat: 0.7935, description: 'air mati' });
    const { page, close } = await at(incident);
    await page.keyboard.press('n');
    await page.waitForSelector('[data-form="note"] textarea:focus');
    const inside = await page.evaluate(() => getComputedStyle(document.querySelector('[data-form]')!).backgroundColor);
    await page.keyboard.type('pelapor marah, jangan ditelepon');
    await page.keyboard.press('Enter');
    await sendNow(page);
    await page.keyboard.press('w');
    await page.waitForSelector('[data-form="answer"] textarea:focus');
    expect(await page.evaluate(() => getComputedStyle(document.querySelector('[data-form]')!).backgroundColor)).not.toBe(inside);
    await page.keyboard.type('Air mengalir lagi pukul tujuh.');
    await clean(page, 'an answer');
    await page.keyboard.press('Enter');
    await sendNow(page);
    await page.waitForSelector('.answer[data-step]');
    const told = JSON.stringify(await server.get(`/api/v1/reports/${code}`));
    expect(told).toContain('Air mengalir lagi pukul tujuh.');
    expect(told).not.toContain('jangan ditelepon');
    await close();
  });

  it('a step of the checklist is ticked by keys, timed, and unticked by undo', async () => {
    const incident = await server.report('garbage', 127.3835, 0.7945);
    expect((await told(incident)).checklist.length).toBeGreaterThan(0);
    const { page, close } = await at(incident);
    await page.keyboard.press('l');
    await page.keyboard.press('Space');
    await until(10_000, () => 'it is done', async () => (await told(incident)).checklist[0].done_at !== null);
    await page.waitForSelector('[data-checklist] time');
    await page.keyboard.press('Control+z');
    await until(10_000, () => 'it is open again', async () => (await told(incident)).checklist[0].done_at === null);
    await page.waitForSelector('[data-checklist] time', { state: 'detached' });
    await close();
  });

  it('two reports of one case are joined by two keys, set apart by one, and split from the panel', async () => {
    const first = await server.report('water', 127.3621, 0.8011);
    const second = await server.report('water', 127.3622, 0.8012);
    const { page, close } = await at(first);
    await page.waitForSelector('[data-alike]');
    await page.keyboard.press('m');
    await page.waitForSelector(`[data-suggestion="i:${second}"][aria-selected="true"]`);
    await page.waitForSelector(`[data-side="i:${second}"] blockquote`);
    expect(await page.locator('[data-side]').count()).toBe(2);
    await clean(page, 'joining two');
    // The older one stays, unless the operator turns it round.
    expect(await page.getAttribute(`[data-side="i:${first}"]`, 'data-stays')).toBe('true');
    await page.keyboard.press('Enter');
    await page.waitForSelector(`[data-split="${second}"]`);
    expect((await told(first)).reports).toBe(2);
    expect((await told(second)).merged_into).toBe(first);
    await page.keyboard.press('Control+z');
    await until(10_000, () => 'they are apart', async () => (await told(first)).reports === 1 && (await told(second)).merged_into === undefined);
    await page.waitForSelector('[data-split]', { state: 'detached' });

    // Turned round, the page goes on with the other one.
    await page.keyboard.press('m');
    await page.waitForSelector(`[data-suggestion="i:${second}"]`);
    await page.keyboard.press('ArrowRight');
    await page.waitForSelector(`[data-side="i:${second}"][data-stays="true"]`);
    await page.keyboard.press('Enter');
    await page.waitForSelector(`[data-incident="i:${second}"]`);
    await page.waitForSelector(`[data-split="${first}"]`);
    await page.keyboard.press('u');
    await page.waitForSelector('[data-split]:focus');
    await page.keyboard.press('Enter');
    await until(10_000, () => 'they are apart', async () => (await told(first)).merged_into === undefined);
    expect(actions(await told(second)).filter((action) => action === 'split').length).toBeGreaterThan(0);
    await close();
  });

  it('one that was joined into another says where it went', async () => {
    const first = await server.report('social', 127.3651, 0.8051);
    const second = await server.report('social', 127.3652, 0.8052);
    await server.act(second, 'merge', { incident: first });
    const { page, close } = await at(second, null, 'en');
    await page.waitForSelector(`[data-merged-into="${first}"]`);
    expect(await page.locator('[data-actions] [data-action]').count()).toBe(0);
    await page.click('[data-merged-into] button');
    await page.waitForSelector(`[data-incident="i:${first}"]`);
    await close();
  });

  it('contacts are shown to whoever says why, and are gone with their dialog', async () => {
    const { incident } = await server.post('/api/v1/reports', { category: 'water', lng: 127.3861, lat: 0.7899, description: 'air mati', reporter: { name: 'Ani', phone: '0812 3456 789' } });
    const { page, close } = await at(incident);
    await page.keyboard.press('h');
    await page.waitForSelector('[data-contacts] input:focus');
    await page.keyboard.press('Enter');
    await page.waitForSelector('[data-contacts] [role="alert"]');
    expect(await page.innerText('body')).not.toContain('0812');
    await page.keyboard.type('menanyakan nomor rumah');
    await page.keyboard.press('Enter');
    await page.waitForSelector('[data-contacts] a[href^="tel:"]');
    expect(await page.textContent('[data-contacts]')).toContain('0812 3456 789');
    await page.keyboard.press('Escape');
    await page.waitForSelector('[data-contacts]', { state: 'detached' });
    expect(await page.content()).not.toContain('0812');
    await close();
  });

  it('two at one incident see each other, and who writes', async () => {
    const [ani, budi] = [await server.account('operator', PASSWORD), await server.account('operator', PASSWORD)];
    const incident = await server.report('traffic', 127.3871, 0.7889);
    const first = await at(incident, ani);
    const second = await at(incident, budi);
    await first.page.waitForSelector(`article [data-others="${budi}"]`);
    await second.page.waitForSelector(`[data-row="i:${incident}"] [data-others="${ani}"]`);
    await second.page.keyboard.press('n');
    await first.page.waitForSelector(`article [data-others="${budi}"][data-writing="true"]`);
    await clean(first.page, 'somebody else writes');
    // Whoever goes is gone.
    await second.close();
    await first.page.waitForSelector('article [data-others]', { state: 'detached' });
    await first.close();
  });

  it('a clock is paused with a reason, says so, and runs again', async () => {
    const incident = await server.report('water', 127.3835, 0.7955);
    const { page, close } = await at(incident);
    await page.waitForSelector('article [data-clock="ok"]');
    await page.keyboard.press('p');
    await page.waitForSelector('[data-form="pause"] textarea:focus');
    await page.keyboard.type('menunggu suku cadang');
    await clean(page, 'pausing');
    await page.keyboard.press('Enter');
    await page.waitForSelector('article [data-clock="paused"]');
    expect(await page.textContent('dl')).toContain('menunggu suku cadang');
    await page.waitForSelector(`[data-row="i:${incident}"] [data-clock="paused"]`);
    await page.keyboard.press('p');
    await page.waitForSelector('article [data-clock="ok"]');
    await close();
  });
});
