/**
 * A whole shift during a drill: two operators, an agency and a supervisor, each signed in at a browser of their own, work
 * real reports and the drill's side by side, and at the end the server's books are held against what each of them did.
 */
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CHROMIUM, launch } from './browser';
import { wasNothing } from './desk';
import { LatePack } from './late_pack';
import { BINARY, Pantau, until } from './pantau';
import { Person, told } from './person';

if (BINARY === null || CHROMIUM === null) console.warn(`skipped, no ${BINARY === null ? 'pantau binary (PANTAU_BIN)' : 'Chromium (CHROMIUM_BIN)'}: e2e/shift.test.ts`);

const REPORTS_A_MINUTE = 50;
const ARRIVALS = 3;
/**
 * Card, Moran and Newell's keystroke-level model: to think before a key, and to press it. "The keystroke-level model for
 * user performance time with interactive systems", CACM 23 (1980).
 */
const THINK_S = 1.35;
const KEY_S = 0.28;
const ARRIVAL_TO_ASSIGNED_S = 15;

interface Report {
  readonly code: string;
  readonly incident: string;
}

describe.skipIf(BINARY === null || CHROMIUM === null)('a shift', { timeout: 300_000 }, () => {
  let pack: LatePack;
  let server: Pantau;
  let browser: Browser;
  let agencies: readonly string[];
  let ani: Person;
  let budi: Person;
  let agency: Person;
  let supervisor: Person;
  let endDrill: (() => Promise<string>) | null = null;

  beforeAll(async () => {
    pack = new LatePack('1m', '1d');
    // Nobody is trusted for where they come from: the drill reports, and only people act.
    [server, browser] = await Promise.all([Pantau.start(pack.dir, []), launch()]);
    agencies = (await server.get('/api/v1/city')).agencies.map(({ key }: { key: string }) => key);
    server.token = server.command(['token', 'create', '--role', 'supervisor', '--label', 'books']).trim().split(/\s+/).at(-1) ?? null;
    [ani, budi, agency, supervisor] = await Promise.all([
      Person.signIn(server, browser, 'operator'),
      Person.signIn(server, browser, 'operator'),
      Person.signIn(server, browser, 'agency', ['--agency', 'dlh']),
      Person.signIn(server, browser, 'supervisor'),
    ]);
  }, 180_000);

  afterAll(async () => {
    await endDrill?.();
    await browser?.close();
    await server?.remove();
    pack?.remove();
  });

  const report = (category: string, lng: number, lat: number, description: string, phone: string): Promise<Report> =>
    server.post('/api/v1/reports', { category, lng, lat, description, reporter: { name: 'Warga', phone } });

  /** Whatever is the newest when nothing is open, verified and assigned by keys alone. */
  async function takesTheNewest(operator: Person): Promise<string> {
    const { page } = operator;
    const rows = (): Promise<string[]> => page.$$eval('[data-row]', (all) => all.map((row) => row.getAttribute('data-row') ?? ''));
    const known = await rows();
    await page.waitForFunction((before) => [...document.querySelectorAll('[data-row]')].some((row) => !before.includes(row.getAttribute('data-row') ?? '')), known);
    const [seen_ms, before] = [Date.now(), operator.pressed];
    await operator.press('j');
    await page.waitForSelector('.console[data-open]');
    const incident = (await page.getAttribute('.console', 'data-open'))?.replace('i:', '') ?? '';
    await operator.press('v');
    await page.waitForSelector('[data-agency]');
    const to = (await page.getAttribute('[data-agency]', 'data-agency')) === 'bpbd' ? 'polres' : 'bpbd';
    await operator.assigns(to, agencies);
    const pressed = operator.pressed - before;
    await operator.stands(incident, 'verify', ({ status }) => status === 'verified');
    await operator.stands(incident, 'assign', ({ agency }) => agency === to);
    await page.waitForSelector('[data-option]', { state: 'detached' });
    await operator.press('Escape');
    await page.waitForSelector('[data-incident]', { state: 'detached' });

    const { log, opened_at } = await told(server, incident);
    const assigned_ms = Date.parse(log.findLast(({ action }: { action?: string }) => action === 'assign').at);
    const [came_ms, keys_s] = [Date.parse(opened_at), pressed * (THINK_S + KEY_S)];
    const shown_s = Math.max(0, seen_ms - came_ms) / 1000;
    console.log(`arrival to assigned: ${pressed} keys; on the screen after ${shown_s.toFixed(1)} s, ${keys_s.toFixed(1)} s for a person to think and press, ${(shown_s + keys_s).toFixed(1)} s together; pressed by a machine ${((assigned_ms - came_ms) / 1000).toFixed(1)} s`);
    expect(pressed, 'key presses from arrival to assigned').toBe(4);
    expect(keys_s).toBeLessThan(ARRIVAL_TO_ASSIGNED_S);
    return incident;
  }

  /** Two that are at the same incident see each other, and what one of them writes. */
  async function meet(at: Report): Promise<void> {
    await ani.find(at.code, at.incident);
    await budi.find(at.code, at.incident);
    await ani.page.waitForSelector(`article [data-others="${budi.name}"]`);
    await budi.page.waitForSelector(`article [data-others="${ani.name}"]`);
    await budi.writes('n', 'note', 'pelapor ditelepon');
    await budi.sendNow();
    await budi.stands(at.incident, 'note', ({ log }) => log.some(({ action }: { action?: string }) => action === 'note'));
    await ani.page.waitForSelector('[data-step="note"]:has-text("pelapor ditelepon")');
    // What is taken back leaves no trace.
    await ani.press('v');
    await ani.page.waitForSelector('[data-undo="verify"]');
    await ani.press('Control+z');
    await ani.page.waitForSelector('[data-undo="verify"]', { state: 'detached' });
  }

  /** Three reports of one burst pipe become one incident; then one of them proves to be another pipe. Returns who went free. */
  async function joinAndSplit([first, second, third]: readonly [Report, Report, Report]): Promise<string> {
    const { page } = ani;
    const isOf = (reports: number) => (incident: any) => incident.reports === reports;
    await ani.find(first.code, first.incident);
    await page.waitForSelector('[data-alike="2"]');
    const joined: string[] = [];
    for (const reports of [2, 3]) {
      await ani.press('m');
      const likest = await page.waitForSelector(`[data-suggestion][aria-selected="true"]${joined.map((id) => `:not([data-suggestion="i:${id}"])`).join('')}`);
      const other = (await likest.getAttribute('data-suggestion'))?.replace('i:', '') ?? '';
      expect([second.incident, third.incident], 'suggested as the same').toContain(other);
      await ani.press('Enter');
      await page.waitForSelector(`[data-split="${other}"]`);
      await until(60_000, () => `${reports} reports`, async () => isOf(reports)(await told(server, first.incident)));
      ani.did.push(`merge ${other}`);
      joined.push(other);
      await ani.reads(first.incident);
    }
    expect((await told(server, first.incident)).reporters).toBe(3);
    await ani.press('u');
    const free = (await (await page.waitForSelector('[data-split]:focus')).getAttribute('data-split')) ?? '';
    expect(joined).toContain(free);
    await ani.press('Enter');
    await until(60_000, () => 'they are apart', async () => isOf(2)(await told(server, first.incident)));
    expect(await told(server, free)).toMatchObject({ status: 'new', reports: 1 });
    ani.did.push(`split ${free}`);
    return free;
  }

  /** Budi is faster than Ani: she is told, what she wrote is kept, and she decides. */
  async function collide(over: Report): Promise<void> {
    await ani.find(over.code, over.incident);
    await ani.press('x');
    await ani.page.waitForSelector('[data-form="reject"] textarea:focus');
    await wasNothing(ani.page);
    await ani.page.keyboard.type('petugas tidak menemukan apa pun');
    await budi.find(over.code, over.incident);
    await budi.press('v');
    await budi.page.waitForSelector('[data-undo="verify"]');
    await budi.sendNow();
    await budi.stands(over.incident, 'verify', ({ status }) => status === 'verified');
    await ani.page.waitForSelector('[data-changed]');
    const refused = ani.page.waitForResponse((answer) => answer.url().endsWith('/reject'));
    await ani.press('Enter');
    await ani.page.waitForSelector('[data-undo="reject"]');
    await ani.sendNow();
    expect((await refused).status()).toBe(409);
    await ani.page.waitForSelector('[data-trouble="conflict"]');
    expect(await ani.page.inputValue('textarea:focus')).toBe('petugas tidak menemukan apa pun');
    // The second answer counts only once the first could be read.
    await until(60_000, () => 'it is rejected all the same', async () => {
      await ani.page.evaluate(() => document.querySelector<HTMLElement>('[data-send]')?.click());
      return (await told(server, over.incident)).status === 'rejected';
    });
    ani.did.push(`reject ${over.incident}`);
    expect((await told(server, over.incident)).disposition).toBe('ghost');
  }

  /** Budi hands it to the agency, which does the work; it waits for a machine meanwhile. The supervisor looks at what was done. */
  async function repair({ code, incident }: Report): Promise<void> {
    await budi.find(code, incident);
    await budi.press('v');
    await budi.assigns('dlh', agencies);
    await budi.stands(incident, 'verify', ({ status }) => status === 'verified');
    await budi.stands(incident, 'assign', ({ agency }) => agency === 'dlh');
    await agency.pick(incident);
    await agency.press('s');
    await agency.page.waitForSelector('[data-undo="start"]');
    await agency.sendNow();
    await agency.stands(incident, 'start', ({ status }) => status === 'in_progress');
    await budi.page.waitForSelector('article [data-status="in_progress"]');
    await budi.writes('p', 'pause', 'menunggu alat berat');
    await budi.stands(incident, 'pause', ({ clock }) => clock.state === 'paused');
    await agency.page.waitForSelector('article [data-clock="paused"]');
    await budi.page.waitForSelector('[data-action="resume"]');
    await budi.press('p');
    await budi.stands(incident, 'resume', ({ clock }) => clock.state !== 'paused');
    await agency.page.waitForSelector('article [data-clock]:not([data-clock="paused"])');
    await agency.press('l', 'Space');
    await agency.stands(incident, 'check', ({ checklist }) => checklist[0].done_at !== null);
    await agency.writes('r', 'resolve', 'saluran dikeruk, air mengalir');
    await agency.page.waitForSelector('[data-undo="resolve"]');
    await agency.sendNow();
    await agency.stands(incident, 'resolve', ({ status }) => status === 'resolved');

    await supervisor.find(code, incident);
    await supervisor.page.waitForSelector('[data-action="confirm"]');
    await supervisor.press('c');
    await supervisor.page.waitForSelector('[data-undo="confirm"]');
    await supervisor.sendNow();
    await supervisor.stands(incident, 'confirm', ({ confirmed }) => confirmed?.by === supervisor.name);
    // Whoever answers the citizen has read it: what is written beside something newer is asked about first.
    await budi.page.waitForSelector('article [data-confirmed]');
  }

  /** The citizen is rung up, for a reason that is written down, and reads what became of it. */
  async function answer({ code, incident }: Report, phone: string): Promise<void> {
    await budi.press('h');
    await budi.page.waitForSelector('[data-contacts] input:focus');
    await budi.page.keyboard.type('memberi kabar');
    await budi.press('Enter');
    await budi.page.waitForSelector(`[data-contacts]:has-text("${phone}")`);
    budi.did.push(`look-up ${incident}`);
    await budi.press('Escape');
    await budi.page.waitForSelector('[data-contacts]', { state: 'detached' });
    await budi.writes('w', 'answer', 'Saluran sudah dikeruk. Terima kasih.');
    await budi.page.waitForSelector('[data-undo="answer"]');
    await budi.sendNow();
    await budi.stands(incident, 'answer', ({ log }) => JSON.stringify(log).includes('Terima kasih.'));
    const read = JSON.stringify(await (await fetch(`${server.url}/api/v1/reports/${code}`)).json());
    expect(read).toContain('Saluran sudah dikeruk. Terima kasih.');
    expect(read).not.toContain('pelapor ditelepon');
  }

  /** Nobody saw to it: the supervisor is told a minute after it was due, and sees to it. */
  async function climb({ incident }: Report): Promise<void> {
    // With no key pressed: whoever is above is told, and one key opens it.
    await supervisor.page.waitForSelector(`[data-late="i:${incident}"][data-level="1"]`, { timeout: 150_000 });
    await supervisor.press('e');
    await supervisor.reads(incident);
    await supervisor.page.waitForSelector('[data-late]', { state: 'detached' });
    await supervisor.press('2');
    await supervisor.page.waitForSelector(`[data-row="i:${incident}"] [data-clock="late"][data-escalation="1"]`, { timeout: 150_000 });
    expect((await server.get('/api/v1/incidents?escalation=1')).features.map(({ id }: { id: string }) => id)).toEqual([`i:${incident}`]);
    await supervisor.press('v');
    await supervisor.assigns('pupr', agencies);
    await supervisor.stands(incident, 'verify', ({ status }) => status !== 'new');
    await supervisor.page.waitForSelector('[data-option]', { state: 'detached' });
    supervisor.did.push(`assign ${incident}`);
    await supervisor.press('s');
    await supervisor.page.waitForSelector('[data-undo="start"]');
    await supervisor.writes('r', 'resolve', 'lampu diganti');
    await supervisor.stands(incident, 'start', ({ status }) => status === 'in_progress' || status === 'resolved');
    await supervisor.page.waitForSelector('[data-undo="resolve"]');
    await supervisor.sendNow();
    await supervisor.stands(incident, 'resolve', ({ status }) => status === 'resolved');
    await supervisor.page.waitForFunction(() => document.querySelector('[data-tab="overdue"] b')?.textContent === '0');
  }

  /** Ani writes down what the next shift must know, signs, and goes; her screens are nobody's at once. */
  async function handOver(): Promise<void> {
    const page = await ani.window('/handover');
    for (const [kind, words] of [['note', 'Pipa Kalumata: dua titik, jangan digabung'], ['handover', 'Malam ramai, tidak ada yang tertinggal']] as const) {
      await page.fill(`[data-text="${kind}"]`, words);
      if (kind === 'handover') await page.check('input[type="checkbox"]');
      await page.click(`[data-send="${kind}"]`);
      await page.waitForSelector(`[data-entry="${kind}"]:has-text("${words}")`);
      ani.did.push(kind === 'note' ? 'shift-note' : 'handover');
    }
    await page.waitForSelector('[data-signed]');
    const next = await budi.window('/handover');
    await next.waitForSelector('[data-entry="handover"]:has-text("Malam ramai, tidak ada yang tertinggal")');
    await next.waitForSelector('[data-entry="note"]:has-text("jangan digabung")');
    await next.close();
    await page.goto(`${server.url}/login`);
    await page.click('button:has-text("Keluar")');
    await ani.page.waitForSelector('[data-notice="denied"]');
    await page.close();
  }

  const matched = async (query: string): Promise<number> => (await server.get(`/api/v1/incidents?${query}&limit=1`)).numberMatched;

  /** On paper stands what was done. */
  async function reports(page: Page, opened: number): Promise<void> {
    await page.waitForSelector('[data-sitrep="read"]');
    const listed = (change: string): Promise<string | null> => page.textContent(`[data-change="sitrep.${change}"] h3 b`);
    expect([await listed('opened'), await listed('resolved'), await listed('rejected'), await listed('newlyOverdue')]).toEqual([String(opened), '2', '1', '0']);
    const log = await page.textContent('[data-section="log"]');
    expect(log).toContain('jangan digabung');
    const people = await page.textContent('[data-section="people"]');
    for (const { name } of [ani, budi, agency, supervisor]) expect(people).toContain(name);
    await page.emulateMedia({ media: 'print' });
    expect((await page.pdf({ preferCSSPageSize: true })).length).toBeGreaterThan(10_000);
  }

  /** What the audit says that somebody did to incidents and in the shift log. */
  async function audited({ name }: Person): Promise<string[]> {
    const { entries, next } = await server.get(`/api/v1/audit?actor=${name}&limit=1000`);
    expect(next).toBeNull();
    const own = entries.filter(({ seq }: { seq: number | null }) => seq !== null);
    return own.map(({ action, incident }: { action: string; incident: string | null }) => (incident === null ? action : `${action} ${incident}`)).sort();
  }

  it('is played from the first report to the handover, and the books agree with it', async () => {
    const lamp = await report('lighting', 127.3731, 0.7771, 'lampu jalan padam di tikungan', '0812 0000 001');
    const pipe = 'pipa air pecah di depan masjid, air meluap ke jalan';
    const pipes = [
      await report('water', 127.3621, 0.8011, pipe, '0812 0000 002'),
      await report('water', 127.3622, 0.8012, `${pipe} raya`, '0812 0000 003'),
      await report('water', 127.36215, 0.80115, `${pipe} sejak pagi`, '0812 0000 004'),
    ] as const;
    const noise = await report('social', 127.3835, 0.7905, 'warga resah, mohon ditinjau', '0812 0000 005');
    const nothing = await report('garbage', 127.3871, 0.7889, 'ada tumpukan sampah', '0812 0000 006');
    const drain = await report('water', 127.3841, 0.7911, 'saluran tersumbat sampah', '0812 3456 789');
    const opened_at = (await told(server, lamp.incident)).opened_at;
    await ani.page.waitForSelector(`[data-row="i:${drain.incident}"]`);
    endDrill = server.drill(REPORTS_A_MINUTE / 60);
    await ani.page.waitForSelector('.console header .drill');

    const taken: string[] = [];
    while (taken.length < ARRIVALS) taken.push(await takesTheNewest(ani));
    // Late by now: everybody sees it, and nobody above has been told.
    await ani.page.waitForFunction(() => document.querySelector('[data-tab="overdue"] b')?.textContent === '1');
    for (const operator of [ani, budi]) await operator.page.waitForSelector(`[data-late="i:${lamp.incident}"][data-level="0"]`);

    await meet(noise);
    const free = await joinAndSplit(pipes);
    await collide(nothing);
    await repair(drain);
    await answer(drain, '0812 3456 789');
    await climb(lamp);
    await handOver();

    const said = (await endDrill?.()) ?? '';
    endDrill = null;
    const drilled = Number(/drill: (\d+) reports, 0 actions/.exec(said)?.[1]);
    const { features } = await server.get('/api/v1/incidents?drill=true&status=new,verified,in_progress,resolved,rejected&limit=1000');
    expect(features.reduce((sum: number, { properties }: any) => sum + properties.reports, 0), `nothing of the drill is lost; it said: ${said}`).toBe(drilled);
    const statuses = ['new', 'verified', 'in_progress', 'resolved', 'rejected'];
    const counts = (drill: boolean): Promise<number[]> => Promise.all(statuses.map((status) => matched(`drill=${drill}&status=${status}`)));
    expect(await counts(true)).toEqual([features.length - ARRIVALS, ARRIVALS, 0, 0, 0]);
    // The pipe, the one that went free of it, and the noise; drain and lamp; what was nothing.
    expect(await counts(false)).toEqual([3, 0, 0, 2, 1]);
    for (const incident of taken) expect((await told(server, incident)).status).toBe('verified');
    for (const incident of [pipes[0].incident, free, noise.incident]) expect((await told(server, incident)).status).toBe('new');
    const gone = pipes.find(({ incident }) => incident !== pipes[0].incident && incident !== free);
    expect((await told(server, gone?.incident ?? '')).merged_into).toBe(pipes[0].incident);

    const paper = await supervisor.window(`/sitrep?since=${encodeURIComponent(opened_at)}`);
    await reports(paper, 6);
    for (const person of [ani, budi, agency, supervisor]) {
      expect(await audited(person), `what ${person.name} did`).toEqual([...person.did].sort());
      person.isWell();
    }
    // Who stays sees the same as the server counts.
    const left = await matched('status=new');
    await budi.page.waitForFunction((n) => document.querySelector('[data-tab="new"] b')?.textContent === String(n), left);
    console.log(`${drilled} reports of the drill, 7 of citizens; acts: ${[ani, budi, agency, supervisor].map(({ name, did }) => `${name} ${did.length}`).join(', ')}`);
  });
});
