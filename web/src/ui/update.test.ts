import { expect, it } from 'vitest';
import { isInUse, Update, type Surroundings } from './update.svelte';

/** A page whose time passes when the test says so. */
class Page implements Surroundings {
  used = false;
  rested = 60_000;
  reloads = 0;
  private timers: (() => void)[] = [];
  inUse = (): boolean => this.used;
  rested_ms = (): number => this.rested;
  reload = (): void => void (this.reloads += 1);
  random = (): number => 0.5;
  setTimer = (run: () => void): void => void this.timers.push(run);
  pass(): void {
    const now = this.timers;
    this.timers = [];
    for (const run of now) run();
  }
}

it('is taken at once where nobody types', () => {
  const page = new Page();
  page.used = true;
  const update = new Update(null, page);
  update.find();
  expect(page.reloads).toBe(0);
  page.pass();
  expect([page.reloads, update.waits]).toEqual([1, false]);
});

it('waits while something is unfinished, written or open, says so, and is taken when that is over', () => {
  const page = new Page();
  let unfinished = true;
  const update = new Update(() => unfinished, page);
  update.find();
  // Each socket says it again.
  update.find();
  page.pass();
  expect([page.reloads, update.waits]).toEqual([0, true]);
  unfinished = false;
  page.used = true;
  page.pass();
  expect([page.reloads, update.waits]).toEqual([0, true]);
  // The key that sent it was pressed a moment ago.
  page.used = false;
  page.rested = 500;
  page.pass();
  expect([page.reloads, update.waits]).toEqual([0, true]);
  page.rested = 5_000;
  page.pass();
  expect(page.reloads).toBe(1);
});

it('is not spoken of to whoever only pressed a key, and is taken once they rest', () => {
  const page = new Page();
  page.rested = 100;
  const update = new Update(() => false, page);
  update.find();
  page.pass();
  expect([page.reloads, update.waits]).toEqual([0, false]);
  page.rested = 4_000;
  page.pass();
  expect(page.reloads).toBe(1);
});

it('is taken when somebody says so, whatever is open', () => {
  const page = new Page();
  const update = new Update(() => true, page);
  update.find();
  page.pass();
  update.now();
  expect(page.reloads).toBe(1);
});

it('a page is in use by a dialog, by a field that somebody is in, and by what is written in one', () => {
  const field = (value: string): object => ({ value, defaultValue: '', matches: () => true });
  const page = (more: object): Document => ({ querySelector: () => null, querySelectorAll: () => [], activeElement: null, ...more }) as unknown as Document;
  expect(isInUse(page({}))).toBe(false);
  expect(isInUse(page({ querySelector: () => ({}) }))).toBe(true);
  expect(isInUse(page({ activeElement: { matches: () => true } }))).toBe(true);
  expect(isInUse(page({ activeElement: { matches: () => false }, querySelectorAll: () => [field('')] }))).toBe(false);
  expect(isInUse(page({ querySelectorAll: () => [field(''), field('pompa')] }))).toBe(true);
});
