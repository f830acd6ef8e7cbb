/** States of the console that take somebody's work to come about: colleagues, refusals, what waits, what is late. */
import type { Browser, Page } from 'playwright-core';
import { asLate, LIVE, wasNothing } from '../e2e/desk';
import type { Pantau } from '../e2e/pantau';

export interface WorkState {
  readonly name: string;
  readonly path: string;
  readonly before?: (page: Page) => Promise<unknown>;
  readonly until: (page: Page) => Promise<unknown>;
}

interface Made {
  readonly plain: string;
  readonly resolved: string;
  readonly returned: string;
  readonly paused: string;
  readonly wanted: string;
  readonly pictured: string;
}

const ACTS = /[/]api[/]v1[/]incidents[/][^/?]+[/][a-z]+$/;

export async function workStates(server: Pantau, browser: Browser): Promise<readonly WorkState[]> {
  const made = await make(server, await pictureOfWork(browser));
  const at = (name: string, incident: string, more: (page: Page) => Promise<unknown>, before?: WorkState['before']): WorkState => ({
    name: `console-${name}`,
    path: `/console?incident=i:${incident}`,
    ...(before !== undefined && { before }),
    until: async (page) => {
      await page.waitForSelector(LIVE);
      await page.waitForSelector(`[data-incident="i:${incident}"]`);
      await page.waitForSelector('[data-history]', { state: 'attached' });
      await more(page);
    },
  });
  const waits = (selector: string) => (page: Page): Promise<unknown> => page.waitForSelector(selector);
  const rejected = async (page: Page): Promise<void> => {
    await page.keyboard.press('x');
    await page.waitForSelector('[data-form="reject"] textarea:focus');
    await wasNothing(page);
    await page.keyboard.type('tidak ada di lokasi');
    await page.keyboard.press('Enter');
    await page.waitForSelector('[data-send-now]');
  };
  const trouble = (kind: string, answer: { status: number; type: string } | null): WorkState =>
    at(
      `trouble-${kind}`,
      made.plain,
      async (page) => {
        await rejected(page);
        await page.evaluate(() => document.querySelector<HTMLElement>('[data-send-now]')?.click());
        await page.waitForSelector(`[data-trouble="${kind}"]`);
      },
      (page) => answerActs(page, answer),
    );
  return [
    at('undo-waits', made.plain, rejected, (page) => answerActs(page, null)),
    // Ticked or unticked, whichever it was: it is sent at once, and can be taken back.
    at('undo-sent', made.plain, async (page) => {
      await page.keyboard.press('l');
      await page.keyboard.press('Space');
      await page.waitForSelector('[data-undo][data-waits="false"]');
    }),
    at('others', made.plain, waits('article .group.pen'), (page) => withColleagues(page, made.plain)),
    trouble('network', null),
    trouble('denied', { status: 403, type: '/problems/forbidden' }),
    trouble('refused', { status: 422, type: '/problems/invalid-body' }),
    {
      name: 'console-bulk-refused',
      path: '/console',
      before: (page) => answerActs(page, { status: 422, type: '/problems/invalid-body' }),
      until: async (page) => {
        await page.waitForSelector('[data-row]');
        for (const key of ['j', 'Space', 'j', 'Space']) await page.keyboard.press(key);
        await page.waitForSelector('[data-marked="2"]');
        await page.keyboard.press('x');
        await page.waitForSelector('[data-bulk] textarea:focus');
        await wasNothing(page);
        await page.keyboard.type('tidak ada di lokasi');
        await page.keyboard.press('Enter');
        await page.waitForSelector('[data-send-now]');
        await page.evaluate(() => document.querySelector<HTMLElement>('[data-send-now]')?.click());
        await page.waitForSelector('[data-refused]');
      },
    },
    at('four-eyes', made.resolved, waits('[data-four-eyes]')),
    at('returned', made.returned, waits('[data-returned]')),
    at('paused', made.paused, waits('[data-clock="paused"]')),
    at('told-supervisor', made.plain, waits('article [data-escalation="1"]'), (page) => asLate(page, made.plain, 1)),
    at('told-head', made.plain, waits('article [data-escalation="2"]'), (page) => asLate(page, made.plain, 2)),
    at('photo-wanted', made.wanted, async (page) => {
      await page.waitForSelector('[data-action="resolve"] [data-needs-photo]');
      await page.keyboard.press('r');
      await page.waitForSelector('[data-repair="wanted"]');
    }),
    at('photo-viewer', made.pictured, async (page) => {
      await page.waitForSelector('[data-photo]');
      await page.keyboard.press('i');
      await page.waitForSelector('[data-viewer] img');
    }),
    at('past', made.plain, async (page) => {
      await page.keyboard.press('d');
      await page.waitForSelector('[data-past]:not([data-past=""])');
      await page.keyboard.press('End');
      await page.waitForFunction(() => document.querySelector('[data-counter="new"]')?.textContent !== '0');
    }),
  ];
}

async function make(server: Pantau, photo: Blob): Promise<Made> {
  const report = (category: string): Promise<string> => server.report(category, 127.3722, 0.8035);
  const [plain, resolved, returned, paused, wanted, pictured] = [await report('water'), await report('water'), await report('garbage'), await report('water'), await report('infrastructure'), await report('infrastructure')];
  for (const action of ['verify', 'start', 'resolve']) await server.act(resolved, action);
  await server.act(returned, 'assign', { agency: 'dlh' });
  await server.act(returned, 'return', { note: 'Ini selokan, bukan sampah.', agency: 'pupr' });
  await server.act(paused, 'verify');
  await server.act(paused, 'pause', { note: 'Menunggu suku cadang pompa.' });
  for (const one of [wanted, pictured]) for (const action of ['verify', 'start']) await server.act(one, action);
  const form = new FormData();
  form.set('kind', 'before');
  form.append('photo', photo, 'jalan.jpg');
  const answer = await fetch(`${server.url}/api/v1/incidents/${pictured}/photos`, { method: 'POST', body: form });
  if (!answer.ok) throw new Error(`the photo: ${answer.status} ${await answer.text()}`);
  return { plain, resolved, returned, paused, wanted, pictured };
}

/** A hole in a road, as a camera's canvas makes it. */
async function pictureOfWork(browser: Browser): Promise<Blob> {
  const page = await browser.newPage();
  const address = await page.evaluate(() => {
    const canvas = document.createElement('canvas');
    [canvas.width, canvas.height] = [960, 720];
    const c = canvas.getContext('2d');
    if (c === null) throw new Error('no canvas');
    for (const [colour, x, y, w, h] of [['#9fb6c4', 0, 0, 960, 260], ['#5b6f46', 0, 220, 960, 120], ['#6d6a66', 0, 320, 960, 400]] as const) {
      c.fillStyle = colour;
      c.fillRect(x, y, w, h);
    }
    c.fillStyle = '#2c2926';
    c.beginPath();
    c.ellipse(470, 540, 210, 80, 0, 0, 2 * Math.PI);
    c.fill();
    return canvas.toDataURL('image/jpeg', 0.85);
  });
  await page.close();
  return new Blob([Buffer.from(address.split(',')[1] ?? '', 'base64')], { type: 'image/jpeg' });
}

/** Every action is answered like this; null: the line is gone. What still waits as the page closes is not sent: no route would see it. */
async function answerActs(page: Page, answer: { readonly status: number; readonly type: string } | null): Promise<unknown> {
  await page.addInitScript(() => addEventListener('pagehide', (event) => event.stopImmediatePropagation(), true));
  return page.route(ACTS, (route) => {
    if (route.request().method() !== 'POST') return route.continue();
    if (answer === null) return route.abort();
    const { status, type } = answer;
    return route.fulfill({ status, contentType: 'application/problem+json', json: { type, title: 'Refused', status, detail: 'some fields are missing or wrong; see "errors"' } });
  });
}

/** Two colleagues are at the same incident, and one of them writes. */
function withColleagues(page: Page, incident: string): Promise<void> {
  const since = new Date().toISOString();
  const people = [{ who: 'budi', name: 'Budi Santoso', incident, editing: true, since }, { who: 'citra', name: 'Citra Lestari', incident, editing: false, since }];
  return page.routeWebSocket('**/api/v1/live*', (socket) => {
    const server = socket.connectToServer();
    server.onMessage((message) => {
      socket.send(message);
      socket.send(JSON.stringify({ type: 'presence', people }));
    });
  });
}
