/** Pages held against WCAG 2.2 AA by axe-core, as a reader has them. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { Page } from 'playwright-core';
import { expect } from 'vitest';

const SOURCE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const TAGS = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22a', 'wcag22aa'];

interface Result {
  violations: { id: string; help: string; nodes: { target: unknown[]; failureSummary?: string; html: string }[] }[];
  passes: unknown[];
}

/** Each finding on the page as it stands, a line a place; empty where there is none. */
export async function findings(page: Page): Promise<string[]> {
  // Not as a script of the page: its content security policy has none from elsewhere.
  await page.evaluate(SOURCE);
  const { violations, passes } = await page.evaluate(async (values): Promise<Result> => {
    const { axe } = window as unknown as { axe: { run(context: unknown, options: unknown): Promise<Result> } };
    return axe.run(document, { runOnly: { type: 'tag', values }, rules: { 'target-size': { enabled: true } }, resultTypes: ['violations', 'passes'] });
  }, TAGS);
  if (passes.length < 5) throw new Error(`axe looked at nothing: ${passes.length} rules passed`);
  return violations.flatMap(({ id, help, nodes }) => nodes.map(({ target, failureSummary, html }) => `${id}: ${help}\n    ${target.join(' ')}\n    ${html.slice(0, 160)}\n    ${(failureSummary ?? '').replaceAll('\n', ' ')}`));
}

/** Nothing is found on the page as it stands. */
export async function clean(page: Page, state: string): Promise<void> {
  await still(page);
  const found = await findings(page);
  expect.soft(found, `${state}:\n${found.join('\n')}`).toEqual([]);
}

/** Plain changes instead of movement: what fades is not looked at while it does. */
export async function still(page: Page): Promise<void> {
  await page.emulateMedia({ reducedMotion: 'reduce' });
}

/** A machine that cannot draw the map: the page works all the same, and no test waits for a map drawn in software. */
export async function withoutMap(page: Page): Promise<void> {
  await page.addInitScript(() => {
    const real = HTMLCanvasElement.prototype.getContext as (this: HTMLCanvasElement, kind: string, ...rest: unknown[]) => RenderingContext | null;
    HTMLCanvasElement.prototype.getContext = function (this: HTMLCanvasElement, kind: string, ...rest: unknown[]) {
      return kind.startsWith('webgl') ? null : real.call(this, kind, ...rest);
    } as typeof HTMLCanvasElement.prototype.getContext;
  });
}
