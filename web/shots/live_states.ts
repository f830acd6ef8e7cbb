/** States of the pages that show what is live: wall, phone, embedded map, and the notices of the console. */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Page } from 'playwright-core';
import { LIVE } from '../e2e/desk';
import { Line } from '../e2e/line';

export type Size = readonly [number, number];

export interface State {
  readonly name: string;
  /** Without the language. */
  readonly path: string;
  /** Before the page loads. */
  readonly before?: (page: Page) => Promise<unknown>;
  /** Until what is to be seen is there. */
  readonly until: (page: Page) => Promise<unknown>;
  readonly print?: boolean;
  /** Those of one line are taken of one page, one after the other. */
  readonly sizes?: readonly (readonly Size[])[];
  /** Drawn, whatever `MAP` says. */
  readonly map?: boolean;
}

export const PHONE: readonly (readonly Size[])[] = [[[390, 844]]];
const WALL: readonly (readonly Size[])[] = [[[1920, 1080], [3840, 2160]]];
const EMBED: readonly (readonly Size[])[] = [[[800, 560]], [[390, 480]]];
const FIELD: readonly (readonly Size[])[] = [[[390, 844]], [[1366, 768]]];
/** The maps of all pages are drawn. */
export const MAPS = process.env.MAP === '1';

const waits = (selector: string) => (page: Page): Promise<unknown> => page.waitForSelector(selector);
const never = (path: string) => (page: Page): Promise<unknown> => page.route(path, () => undefined);
const fails = (path: string) => (page: Page): Promise<unknown> => page.route(path, (route) => route.abort());
const alarm = (name: string): object => JSON.parse(readFileSync(resolve(import.meta.dirname, '../../tests/wire', `${name}.json`), 'utf8'));

/** Of a server on which nothing has happened. */
export const ofNothing = (): readonly State[] => [
  { name: 'wall-empty', path: '/wall', sizes: WALL, map: true, until: waits(LIVE) },
  { name: 'field-empty', path: '/field', sizes: FIELD, map: true, until: waits('.sheet .empty, .empty') },
  { name: 'embed-empty', path: '/embed', sizes: EMBED, map: true, until: waits('.empty:not([hidden])') },
];

/** On a line that is the state's own: one that was cut stays so. */
function onLine(state: Omit<State, 'before' | 'until'>, then: (page: Page, line: Line) => Promise<unknown>, ready = LIVE): State {
  let line = new Line();
  return {
    ...state,
    before: (page) => (line = new Line()).runThrough(page),
    until: async (page) => {
      await page.waitForSelector(ready);
      await then(page, line);
    },
  };
}

async function degraded(page: Page, line: Line): Promise<void> {
  line.degraded = true;
  await page.waitForSelector('.badge.degraded', { timeout: 30_000 });
}

async function behind(page: Page, line: Line): Promise<void> {
  line.questions = 'refused';
  await page.waitForSelector('.map canvas');
  await page.focus('.map canvas');
  await page.keyboard.press('=');
  await page.waitForSelector('[data-behind]', { state: 'attached' });
}

const lost = (phase: string) => async (page: Page, line: Line): Promise<void> => {
  await line.cut();
  await page.waitForSelector(`[data-phase="${phase}"]`, { timeout: 60_000 });
};

/** What a wall tells goes away by itself, sooner than a wide picture is drawn: another one like it follows. */
const TOLD_AGAIN_MS = 9_000;

const told = (name: string, selector: string) => async (page: Page, line: Line): Promise<void> => {
  const say = (): void => line.say({ ...alarm(name), id: `a:${name}/${performance.now()}` });
  const again = setInterval(say, TOLD_AGAIN_MS);
  page.once('close', () => clearInterval(again));
  say();
  await page.waitForSelector(selector);
};

export const wallStates = (): readonly State[] => {
  const at = { path: '/wall', sizes: WALL, map: true };
  const embed = { path: '/embed', sizes: EMBED, map: true };
  const live = '.state[data-phase="live"]';
  const misnamed = 'category=banjir,water&area=82.71.99';
  return [
    { name: 'wall', ...at, until: waits('[data-hotspot]') },
    { name: 'wall-far', ...at, path: '/wall?distance_m=9', until: waits('[data-hotspot]') },
    { name: 'wall-day', ...at, path: '/wall?theme=day', until: waits('[data-hotspot]') },
    { name: 'wall-phone', ...at, sizes: PHONE, until: waits('[data-hotspot]') },
    { name: 'wall-loading', ...at, map: false, before: never('**/api/v1/city*'), until: waits('main') },
    { name: 'wall-unreachable', ...at, map: false, before: fails('**/api/v1/city*'), until: waits('[role="alert"] button') },
    { name: 'wall-misnamed', ...at, path: `/wall?${misnamed}`, until: waits(LIVE) },
    onLine({ name: 'wall-alarm', ...at }, told('alarm', '.alarm')),
    onLine({ name: 'wall-surge', ...at }, told('alarm_surge', '.alarm')),
    onLine({ name: 'wall-told', ...at }, told('alarm_overdue', '.alarm')),
    onLine({ name: 'wall-degraded', ...at }, degraded),
    onLine({ name: 'wall-behind', ...at }, behind),
    onLine({ name: 'wall-reconnecting', ...at }, lost('reconnecting')),
    onLine({ name: 'wall-stale', ...at }, lost('stale')),
    { name: 'embed', ...embed, until: waits(live) },
    { name: 'embed-dark', ...embed, path: '/embed?theme=dark', until: waits(live) },
    { name: 'embed-misnamed', ...embed, path: `/embed?${misnamed}`, until: waits('.map canvas') },
    { name: 'embed-unreachable', ...embed, map: false, before: fails('**/api/v1/city*'), until: waits('.trouble') },
    onLine({ name: 'embed-behind', ...embed }, behind, live),
    onLine({ name: 'embed-stale', ...embed }, lost('stale'), live),
  ];
};

export const fieldStates = (): readonly State[] => {
  const at = { path: '/field', sizes: FIELD };
  const drawn = { ...at, map: true };
  const listed = (then: (page: Page) => Promise<unknown>) => async (page: Page): Promise<unknown> => (await page.waitForSelector('[data-incident]'), then(page));
  const dialog = (which: string): State => ({ name: `field-${which}`, ...at, until: listed(async (page) => (await page.click(`[data-filter="${which}"]`), page.waitForSelector('dialog[open]'))) });
  return [
    { name: 'field-list', ...drawn, until: listed(async () => undefined) },
    { name: 'field-contrast', ...drawn, until: listed((page) => page.click('.tools button >> nth=1')) },
    { name: 'field-chosen', ...drawn, path: '/field?area=82.71.04&category=water&status=new,verified', until: waits(LIVE) },
    { name: 'field-nothing', ...at, path: '/field?category=social&status=rejected', until: waits('.empty') },
    dialog('area'),
    dialog('category'),
    dialog('status'),
    { name: 'field-loading', ...at, before: never('**/api/v1/incidents*'), until: waits('header') },
    { name: 'field-error', ...at, before: fails('**/api/v1/incidents*'), until: waits('[data-unread]') },
    { name: 'field-unreachable', ...at, before: fails('**/api/v1/city*'), until: waits('[role="alert"] button') },
    { name: 'field-offline', ...at, until: listed(async (page) => (await page.waitForSelector(LIVE), await page.context().setOffline(true), page.waitForSelector('.notice.amber'))) },
    onLine({ name: 'field-late', ...at }, lost('reconnecting')),
    onLine({ name: 'field-stale', ...at }, lost('stale')),
    onLine({ name: 'field-degraded', ...at }, degraded),
    onLine({ name: 'field-surge', ...at }, told('alarm_surge', '.notice.alarm')),
    onLine({ name: 'field-behind', ...drawn }, behind),
    { name: 'home', path: '/', until: waits('main nav') },
  ];
};

const DESK: readonly (readonly Size[])[] = [[[1440, 900], [1366, 768]], [[390, 844]]];

/** What the console says over its map, and of its line. */
export const noticesOfConsole = (path: string): readonly State[] => {
  const at = { path, sizes: DESK };
  return [
    { name: 'console-drawn', ...at, map: true, until: waits(LIVE) },
    onLine({ name: 'console-degraded', ...at }, degraded),
    onLine({ name: 'console-stale', ...at }, lost('stale')),
    onLine({ name: 'console-told-late', ...at }, told('alarm_overdue', '[data-late]')),
    onLine({ name: 'console-behind', ...at, sizes: [[[1440, 900], [1366, 768]]], map: true }, behind),
  ];
};
