/**
 * Every state of the pages as pictures to be looked at: `npm run shots`, into the folder that `SHOTS` names or a new one.
 * It fails at the end where one is missing.
 * `WIDE=0` leaves out what is wider than 2,000 points, which takes the longest.
 * `ONLY=text,text` takes the pictures whose names have one of them; `MAP=1` draws the maps, which is slow without a graphics card.
 */
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CHROMIUM, launch, open } from '../e2e/browser';
import { desk, LIVE, wasNothing } from '../e2e/desk';
import { Line } from '../e2e/line';
import { BINARY, Pantau, until } from '../e2e/pantau';
import { workStates } from './console_work';
import { fieldStates, MAPS, noticesOfConsole, ofNothing, PHONE, wallStates, type Size, type State } from './live_states';

const DESK: readonly Size[] = [[1440, 900], [1366, 768]];
const SIZES: readonly (readonly Size[])[] = [DESK, [[390, 844]]];
/** A4 at 96 dots an inch. */
const PAPER = [794, 1123] as const;
const FOLDER = process.env.SHOTS ?? mkdtempSync(join(tmpdir(), 'pantau-shots-'));
const ONLY = (process.env.ONLY ?? '').split(',');

/** What the server says is said differently. */
const answers = (path: string, json: object) => async (page: Page): Promise<void> => {
  await page.route(path, (route) => (route.request().method() === 'GET' ? route.fulfill({ json }) : route.continue()));
};
const never = (path: string) => (page: Page): Promise<unknown> => page.route(path, () => undefined);
const fails = (path: string) => (page: Page): Promise<unknown> => page.route(path, (route) => route.abort());
/** A city's figures of a year: the acts of a test take no time, and are all of today. */
async function aYear(page: Page): Promise<void> {
  await page.route('**/api/v1/statistics?*', async (route) => {
    const { groups, total, ...rest } = (await (await route.fetch()).json()) as { groups: object[]; total: object };
    const months = route.request().url().includes('by=month') ? Array.from({ length: 12 }, (_, n) => ({ ...groups[0], key: new Date(Date.UTC(2025, 11 + n, 1)).toISOString().slice(0, 7), name: monthName(n) })) : groups;
    await route.fulfill({ json: { ...rest, groups: months.map(slowly), total: slowly(total, 1) } });
  });
}

function monthName(n: number): { id: string; en: string } {
  const name = (lang: string): string => new Intl.DateTimeFormat(lang, { month: 'long', year: 'numeric', timeZone: 'UTC' }).format(Date.UTC(2025, 11 + n, 1));
  return { id: name('id-ID'), en: name('en-GB') };
}

function slowly(group: object, n: number): object {
  const incidents = 1_240 - ((n * 397) % 900);
  const times = (by: number): object => ({ verify: 240 * by, assign: 900 * by, start: 3_900 * by, resolve: 31_000 * by });
  const pace = 1 + ((n * 7) % 5) / 3;
  return { ...group, incidents, resolved: Math.round(incidents * 0.86), with_deadline: incidents, on_time: Math.round(incidents * (0.9 - ((n * 13) % 40) / 100)), late: Math.round(incidents * 0.18), median_s: times(pace), p90_s: times(pace * 3.4) };
}

const waits = (selector: string) => (page: Page): Promise<unknown> => page.waitForSelector(selector);
const inSight = (selector: string) => (page: Page): Promise<unknown> => page.locator(selector).first().evaluate((one) => one.scrollIntoView({ block: 'center' }));

async function type(page: Page, key: string, selector: string, words = ''): Promise<void> {
  await page.keyboard.press(key);
  await page.waitForSelector(selector);
  if (words !== '') await page.keyboard.type(words);
}

describe.skipIf(BINARY === null || CHROMIUM === null)('pictures', { timeout: 3_600_000 }, () => {
  let server: Pantau;
  let browser: Browser;
  let incident: string;
  let joined: string;
  let resolved: string;
  /** The states that did not appear: the others are taken all the same. */
  const missing: string[] = [];

  beforeAll(async () => {
    mkdirSync(FOLDER, { recursive: true });
    [server, browser] = await Promise.all([Pantau.start(), launch()]);
    await shoot(untouched());
    await shoot(ofNothing());
    const endDrill = server.drill(60);
    await until(60_000, () => 'the drill makes a hotspot', async () => (await server.get('/api/v1/hotspots')).features.length > 0);
    await endDrill();
    await work();
  }, 900_000);

  afterAll(async () => {
    await browser?.close();
    await server?.remove();
  });

  /** A shift's worth of it. */
  async function work(): Promise<void> {
    const steps = [['verify', 'start', 'resolve'], ['verify', 'start', 'resolve'], ['verify', 'resolve'], ['verify', 'start'], ['verify'], []];
    for (const [n, actions] of [...steps, ...steps, ...steps].entries()) {
      const one = await server.report(['garbage', 'water', 'traffic', 'infrastructure'][n % 4] ?? 'garbage', 127.37 + n / 400, 0.79);
      for (const action of actions) await server.act(one, action).catch(() => undefined);
    }
    incident = await server.report('water', 127.3621, 0.8011);
    joined = await server.report('water', 127.3622, 0.8012);
    await server.act(await server.report('water', 127.36215, 0.80115), 'merge', { incident: joined });
    await server.act(incident, 'verify');
    await server.act(incident, 'assign', { agency: 'pupr' });
    await server.act(incident, 'note', { note: 'Pelapor ditelepon; air masih meluap.' });
    await server.act(incident, 'note', { note: 'Petugas PUPR menuju lokasi.', public: true });
    resolved = await server.report('garbage', 127.3835, 0.7905);
    for (const action of ['verify', 'start', 'resolve']) await server.act(resolved, action);
    await server.post('/api/v1/reports', { category: 'water', lng: 127.3621, lat: 0.8011, incident, description: 'air sampai ke teras', reporter: { name: 'Ibu Ratna', phone: '0812 3456 789' } });
    for (const [kind, text] of [['note', 'Truk DLH rusak sampai pukul 15.\nPakai truk PUPR.'], ['handover', 'Malam tenang, awasi Muhajirin.'], ['note', 'Pompa kedua dipasang di Kalumata.']]) await server.post('/api/v1/shift-log', { kind, text });
  }

  /** Of a server on which nothing has happened. */
  const untouched = (): readonly State[] => [
    { name: 'console-empty', path: '/console', until: waits('[data-empty]') },
    { name: 'statistics-empty', path: '/statistics', until: waits('[data-empty]'), print: true },
    { name: 'sitrep-empty', path: '/sitrep', until: waits('[data-sitrep="read"]'), print: true },
    { name: 'handover-empty', path: '/handover', until: waits('[data-handover="read"]'), print: true },
    { name: 'replay-empty', path: '/replay', until: waits('[data-at]') },
  ];

  const atIncident = (more: (page: Page) => Promise<unknown>) => async (page: Page): Promise<void> => {
    await page.waitForSelector(LIVE);
    await page.waitForSelector(`[data-incident="i:${incident}"]`);
    await page.waitForSelector('[data-history]', { state: 'attached' });
    await more(page);
  };

  const ofConsole = (): readonly State[] => {
    const path = `/console?incident=i:${incident}`;
    // One for each picture: a line that was cut stays so.
    let line = new Line();
    const at = (name: string, more: (page: Page) => Promise<unknown>): State => ({ name: `console-${name}`, path, until: atIncident(more) });
    return [
      { name: 'console-queue', path: '/console', until: waits('[data-row]') },
      { name: 'console-loading', path: '/console', before: never('**/api/v1/incidents*'), until: waits('.console header') },
      { name: 'console-error', path: '/console', before: fails('**/api/v1/incidents*'), until: waits('.console header') },
      { name: 'console-denied', path: '/console', before: (page) => page.route('**/api/v1/city*', async (route) => route.fulfill({ json: { ...(await (await route.fetch()).json()), projection: 'public' } })), until: waits('[data-denied] .do:not(:empty)') },
      { name: 'console-nothing-found', path: '/console?q=tidakadakatasepertiini', until: waits('[data-empty]') },
      at('incident', async () => undefined),
      at('history', inSight('[data-history] li:last-child')),
      at('offline', (page) => page.context().setOffline(true).then(() => page.waitForSelector('[data-notice]'))),
      { name: 'console-late', path, before: (page) => (line = new Line()).runThrough(page), until: atIncident(async (page) => (await line.cut(), page.waitForSelector('[data-notice="late"]'))) },
      { name: 'console-new-build', path, before: (page) => (line = new Line()).runThrough(page), until: atIncident(async (page) => {
        await type(page, 'n', '[data-form="note"] textarea:focus', 'pelapor sudah ditelepon');
        await line.update();
        await page.waitForSelector('[data-new-build]');
      }) },
      at('photo-dropped', async (page) => {
        await page.route('**/api/v1/incidents/*/photos', (route) => route.abort());
        await page.click('[data-add]');
        for (const kind of ['before', 'after']) await page.setInputFiles(`[data-choose="${kind}"]`, { name: 'jalan.png', mimeType: 'image/png', buffer: Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0, 0, 0, 0]) });
        await page.waitForSelector('[data-upload="lost"]:nth-child(2)');
        await page.locator('[data-drop-photo="drop"]').first().click();
        await page.waitForSelector('[data-upload="dropped"]');
        await inSight('[data-send-again]')(page);
      }),
      at('conflict', async (page) => {
        await page.route('**/api/v1/incidents/*/reject', async (route) => {
          await server.act(incident, 'note', { note: 'Budi: sudah saya telepon.' });
          await route.continue();
        });
        await type(page, 'x', '[data-form="reject"] textarea:focus');
        await wasNothing(page);
        await page.keyboard.type('tidak ada di lokasi');
        await page.keyboard.press('Enter');
        await page.evaluate(() => document.querySelector<HTMLElement>('[data-send-now]')?.click());
        await page.waitForSelector('[data-trouble="conflict"]');
      }),
      at('merge', async (page) => {
        await page.waitForSelector('[data-alike]', { state: 'attached' });
        await type(page, 'm', '[data-side] blockquote');
      }),
      at('contacts', (page) => type(page, 'h', '[data-contacts] input:focus', 'menanyakan nomor rumah')),
      at('contacts-found', async (page) => {
        await type(page, 'h', '[data-contacts] input:focus', 'menanyakan nomor rumah');
        await type(page, 'Enter', '[data-contacts] a[href^="tel:"]');
      }),
      at('pause', (page) => type(page, 'p', '[data-form="pause"] textarea:focus', 'menunggu suku cadang')),
      at('answer', (page) => type(page, 'w', '[data-form="answer"] textarea:focus', 'Air mengalir lagi pukul tujuh.')),
      at('reject', (page) => type(page, 'x', '[data-form="reject"] textarea:focus')),
      at('agencies', (page) => type(page, 't', '[data-option]')),
      at('palette', (page) => type(page, 'Control+k', 'dialog[open]')),
      at('help', (page) => type(page, '?', 'dialog[open]')),
      at('find', async (page) => {
        await type(page, '/', '[data-find] input:focus', 'air');
        await page.waitForSelector('[data-found]');
      }),
      at('filters', (page) => type(page, 'f', 'dialog[open]')),
      { name: 'console-bulk', path: '/console', until: async (page) => {
        await page.waitForSelector('[data-row]');
        for (const key of ['j', 'Space', 'j', 'Space', 'j', 'Space']) await page.keyboard.press(key);
        await page.waitForSelector('[data-marked="3"]');
        await type(page, 'x', '[data-bulk]');
      } },
      { name: 'console-joined', path: `/console?incident=i:${joined}`, until: inSight('[data-split]') },
      { name: 'console-resolved', path: `/console?incident=i:${resolved}`, until: waits('[data-history]') },
      { name: 'console-tour-offer', path: '/console', sizes: [DESK], until: waits('[data-tour-offer]') },
      { name: 'console-tour', path: '/console?tour=1', until: waits('[data-tour="welcome"]') },
    ];
  };

  const nobody = { signed_in: false, ended: false, can_sign_in: true };
  const session = (json: object) => answers('**/api/v1/session', json);
  const somebody = { signed_in: true, name: 'ani', full_name: 'Ani Wijaya', role: 'operator', via: 'session', ends_at: '2027-11-24T05:05:00Z', second_factor: false, may: { 'verify': 'all', 'see-incident': 'all', 'shift-log': 'all' }, projection: 'staff' };

  const ofPapers = (): readonly State[] => [
    { name: 'statistics', path: '/statistics', until: waits('[data-whole]'), print: true },
    { name: 'statistics-year', path: '/statistics', before: aYear, until: waits('[data-whole]'), print: true },
    { name: 'statistics-loading', path: '/statistics', before: never('**/api/v1/statistics*'), until: waits('main') },
    { name: 'statistics-error', path: '/statistics', before: fails('**/api/v1/statistics*'), until: waits('[data-fault="network"]') },
    { name: 'sitrep', path: '/sitrep', until: waits('[data-sitrep="read"]'), print: true },
    { name: 'sitrep-hours', path: '/sitrep?since=2020-01-01T00:00:00Z', until: waits('[data-sitrep="read"]'), print: true },
    { name: 'sitrep-drill', path: '/sitrep?drill=true&since=2020-01-01T00:00:00Z', until: waits('[data-sitrep="read"]'), print: true },
    { name: 'sitrep-loading', path: '/sitrep', before: never('**/api/v1/sitrep*'), until: waits('main') },
    { name: 'sitrep-error', path: '/sitrep', before: fails('**/api/v1/sitrep*'), until: waits('[data-fault]') },
    { name: 'sitrep-refused', path: '/sitrep?since=2026-11-02T00:00:00Z&until=2026-11-01T00:00:00Z', until: waits('[data-fault="refused"]') },
    { name: 'handover', path: '/handover', until: waits('[data-handover="read"]'), print: true },
    { name: 'handover-loading', path: '/handover', before: never('**/api/v1/shift-log*'), until: waits('main') },
    { name: 'handover-error', path: '/handover', before: fails('**/api/v1/shift-log*'), until: waits('.fault') },
    { name: 'handover-unsent', path: '/handover', before: (page) => page.route('**/api/v1/shift-log', (route) => (route.request().method() === 'POST' ? route.abort() : route.continue())), until: async (page) => {
      await page.waitForSelector('[data-handover="read"]');
      await page.fill('[data-text="note"]', 'pompa dipasang');
      await page.click('[data-send="note"]');
      await page.waitForSelector('.trouble');
    } },
    { name: 'audit', path: '/audit', until: waits('[data-line]'), print: true },
    { name: 'audit-incident', path: `/audit?incident=${incident}`, until: waits('[data-end]'), print: true },
    { name: 'audit-nobody', path: '/audit?actor=siapa', until: waits('[data-empty]') },
    { name: 'audit-unknown', path: '/audit', until: async (page) => {
      await page.waitForSelector('[data-line]');
      await page.fill('input[name="incident"]', 'TTE-0000-00000');
      await page.click('[data-ask]');
      await page.waitForSelector('[data-unknown]');
    } },
    { name: 'audit-loading', path: '/audit', before: never('**/api/v1/audit*'), until: waits('main form') },
    { name: 'audit-error', path: '/audit', before: fails('**/api/v1/audit*'), until: waits('[data-fault="network"]') },
    { name: 'audit-refused', path: '/audit?incident=019aa0c4-7b1e-7c60-8d52-3f2f6a1b9c04', until: waits('[data-fault="refused"]') },
    { name: 'audit-more-failed', path: '/audit', before: (page) => page.route('**/api/v1/audit?*', (route) => (route.request().url().includes('cursor=') ? route.abort() : route.continue({ url: route.request().url().replace('limit=100', 'limit=20') }))), until: async (page) => {
      await page.click('[data-more]');
      await page.waitForSelector('[data-failed]');
    } },
    { name: 'audit-denied', path: '/audit', before: session(somebody), until: waits('[data-denied]') },
    ...['sitrep', 'handover', 'replay'].map((page): State => ({ name: `${page}-denied`, path: `/${page}`, before: (one) => one.route('**/api/v1/city*', async (route) => route.fulfill({ json: { ...(await (await route.fetch()).json()), projection: 'public' } })), until: waits('[data-denied]') })),
    { name: 'replay', path: '/replay', until: async (page) => {
      await page.waitForSelector('[data-at]');
      await page.keyboard.press('End');
      await page.waitForFunction(() => document.querySelector('[data-counter="new"]')?.textContent !== '0');
    } },
    { name: 'replay-playing', path: '/replay', until: async (page) => {
      await page.waitForSelector('[data-at]');
      await page.keyboard.press('End');
      await page.keyboard.press('Shift+ArrowLeft');
      await page.keyboard.press(' ');
      await page.waitForSelector('[data-playing="true"]');
    } },
    { name: 'replay-year', path: '/replay?at=2025-03-03T04:00:00Z', until: waits('[data-none]') },
    { name: 'replay-error', path: '/replay', before: fails('**/api/v1/stats*'), until: waits('.replay .fault') },
  ];

  const ofLogin = (): readonly State[] => [
    { name: 'login', path: '/login', before: session(nobody), until: waits('input[type="password"]') },
    { name: 'login-wrong', path: '/login', before: session(nobody), until: async (page) => {
      await page.fill('input:not([type="password"])', 'ani');
      await page.fill('input[type="password"]', 'bukan ini sandinya');
      await page.keyboard.press('Enter');
      await page.waitForSelector('.fault');
    } },
    { name: 'login-ended', path: '/login', before: session({ ...nobody, ended: true }), until: waits('main h1') },
    { name: 'login-needs-tls', path: '/login', before: session({ ...nobody, can_sign_in: false }), until: waits('main h1') },
    { name: 'login-unreachable', path: '/login', before: fails('**/api/v1/session'), until: waits('main h1') },
    { name: 'login-link', path: '/login#link=abcdefghijklmnop', before: session(nobody), until: waits('main h1') },
    { name: 'login-account', path: '/login', before: session(somebody), until: waits('main dl') },
    { name: 'login-head', path: '/login', before: session({ ...somebody, role: 'supervisor', head: true }), until: waits('main dl') },
    { name: 'login-password', path: '/login', before: session(somebody), until: async (page) => {
      await page.click('main h2 ~ button.quiet');
      await page.waitForSelector('input[type="password"]');
    } },
  ];

  const ofField = (): readonly State[] => {
    const path = `/field?incident=i:${incident}`;
    let line = new Line();
    const unsent = (page: Page): Promise<unknown> => page.route('**/api/v1/incidents/*/{note,check}', (route) => route.abort());
    const at = (name: string, more: (page: Page) => Promise<unknown>, before?: State['before']): State => ({
      name: `field-${name}`,
      path,
      sizes: PHONE,
      ...(before !== undefined && { before }),
      until: async (page) => {
        await page.waitForSelector('[data-write="note"]');
        for (const key of ['ArrowUp', 'ArrowUp']) await page.press('.grip', key);
        await more(page);
      },
    });
    const write = async (page: Page, form: string, text: string): Promise<void> => {
      await page.click(`[data-write="${form}"]`);
      await page.fill(`[data-form="${form}"] textarea`, text);
    };
    return [
      at('incident', async () => undefined),
      at('checklist', inSight('[data-checklist]')),
      at('note', async (page) => (await write(page, 'note', 'Pompa tiba, air masih setinggi lutut.'), inSight('[data-form]')(page))),
      at('answer', async (page) => (await write(page, 'answer', 'Petugas sedang memompa air di gang Anda.'), inSight('[data-form]')(page))),
      at('unsent', async (page) => {
        await write(page, 'note', 'Pompa tiba, air masih setinggi lutut.');
        await page.click('[data-send]');
        await page.locator('[data-check]').nth(1).check();
        await page.waitForSelector('[data-unsent="2"]');
        await inSight('[data-waiting]')(page);
      }, unsent),
      at('new-build', async (page) => {
        await write(page, 'note', 'Pompa tiba, air masih setinggi lutut.');
        await line.update();
        await page.waitForSelector('[data-new-build]');
      }, (page) => (line = new Line()).runThrough(page)),
      at('changed', async (page) => {
        await page.route('**/api/v1/incidents/*/note', async (route) => {
          await server.act(incident, 'note', { note: 'Budi: pompa kedua dikirim.' });
          await route.continue();
        });
        await write(page, 'answer', 'Pompa belum ada.');
        await page.click('[data-send]');
        await page.waitForSelector('[data-waiting="changed"]');
        await inSight('[data-waiting]')(page);
      }),
    ];
  };

  async function shoot(states: readonly State[]): Promise<void> {
    for (const state of states.filter(({ name }) => ONLY.some((part) => name.includes(part)))) {
      for (const lang of ['id', 'en'] as const) {
        for (const sizes of [...(state.sizes ?? SIZES), ...(state.print === true ? [[PAPER]] : [])]) {
          try {
            await look(state, lang, sizes);
          } catch (error) {
            missing.push(`${state.name} ${lang} ${sizes[0]?.join('×')}: ${String(error).split('\n')[0]}`);
            console.warn(missing.at(-1));
          }
        }
      }
    }
  }

  async function look(state: State, lang: string, sizes: readonly Size[]): Promise<void> {
    const [[width, height] = [0, 0]] = sizes;
    const drawn = state.map === true || MAPS;
    const [path = '', hash] = state.path.split('#');
    const address = lang === 'id' ? path : `${path}${path.includes('?') ? '&' : '?'}lang=en`;
    const { page, close } = await open(browser, `${server.url}${address}${hash === undefined ? '' : `#${hash}`}`, width, height, async (page) => {
      page.setDefaultTimeout(45_000);
      await page.emulateMedia({ reducedMotion: 'reduce' });
      if (!drawn) await desk(page);
      if (!state.name.includes('tour')) await page.addInitScript(() => localStorage.setItem('pantau.tour', 'known'));
      await state.before?.(page);
    });
    try {
      await state.until(page);
      // Skeletons and notices come late on purpose.
      await page.waitForFunction(() => performance.now() > 1_500);
      const isPaper = sizes[0] === PAPER;
      if (isPaper) {
        await page.emulateMedia({ media: 'print', reducedMotion: 'reduce' });
        writeFileSync(join(FOLDER, `${state.name}.${lang}.pdf`), await page.pdf({ preferCSSPageSize: true }));
      }
      for (const [width, height] of sizes.filter(([width]) => process.env.WIDE !== '0' || width <= 2_000)) {
        await page.setViewportSize({ width, height });
        // Four times the points take as much longer without a graphics card.
        if (drawn) {
          await page.waitForSelector('.map[data-shown]', { timeout: 60_000 });
          await page.waitForTimeout(width > 2_000 ? 15_000 : 1_500);
        }
        await page.screenshot({ path: join(FOLDER, `${state.name}.${lang}.${isPaper ? 'print' : `${width}x${height}`}.png`), fullPage: !/^(console|replay|field|wall|embed)/.test(state.name) });
      }
    } finally {
      await close();
    }
  }

  it('are taken', async () => {
    await shoot(ofConsole());
    await shoot(noticesOfConsole(`/console?incident=i:${incident}`));
    await shoot(await workStates(server, browser));
    await shoot(ofPapers());
    await shoot(ofLogin());
    await shoot(ofField());
    await shoot(fieldStates());
    await shoot(wallStates());
    console.log(`pictures: ${FOLDER}`);
    expect(missing, 'states of which there is no picture').toEqual([]);
  });
});
