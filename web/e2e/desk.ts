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
