/** What the tests of the console share: an office PC, who sits at it, and what they press. */
import { expect } from 'vitest';
import type { Page } from 'playwright-core';

export const LIVE = '[data-phase="live"]';
export const PASSWORD = 'kopi pagi di pelabuhan';

/** An office PC that cannot draw the map works all the same; and no test waits for a map drawn in software. */
export async function desk(page: Page): Promise<void> {
  await page.addInitScript(() => {
    const real = HTMLCanvasElement.prototype.getContext as (this: HTMLCanvasElement, kind: string, ...rest: unknown[]) => RenderingContext | null;
    HTMLCanvasElement.prototype.getContext = function (this: HTMLCanvasElement, kind: string, ...rest: unknown[]) {
      return kind.startsWith('webgl') ? null : real.call(this, kind, ...rest);
    } as typeof HTMLCanvasElement.prototype.getContext;
  });
}

/** Who comes straight from this machine is admin until they sign in. */
export async function signIn(page: Page, name: string): Promise<void> {
  const answer = await page.evaluate(
    async (body) => (await fetch('/api/v1/session', { method: 'POST', headers: { 'content-type': 'application/json' }, body })).status,
    JSON.stringify({ name, password: PASSWORD }),
  );
  expect(answer, `${name} signs in`).toBe(200);
}

/** In the form of a rejection: "nothing there". */
export async function wasNothing(page: Page): Promise<void> {
  await page.keyboard.press('3');
  await page.waitForSelector('[data-disposition="ghost"][aria-checked="true"]');
}

/** It is late by an hour and more, and the supervisor, or the head too, was told. */
export async function asLate(page: Page, incident: string, level: number): Promise<void> {
  const late = (feature: any): void => {
    if (feature?.id !== `i:${incident}`) return;
    const due_at = new Date(Date.now() - level * 4_000_000).toISOString();
    Object.assign(feature.properties, { overdue: true, due_at, clock: { step: 'verify', warn_at: due_at, ...feature.properties.clock, state: 'late', due_at, escalation: level } });
  };
  await page.route(/[/]api[/]v1[/]incidents([?]|[/][^/]+$)/, async (route) => {
    if (route.request().method() !== 'GET') return route.continue();
    const answer = await route.fetch();
    const json = await answer.json();
    late(json);
    for (const feature of json.features ?? []) late(feature);
    await route.fulfill({ response: answer, json });
  });
}
