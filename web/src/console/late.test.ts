import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { IncidentPage } from '../feed/http';
import { decodeFrame, type Alarm, type Incident } from '../feed/protocol';
import { ASK_MS, Late, TOLD_MAX } from './late.svelte';

const frame = decodeFrame(readFileSync(resolve(import.meta.dirname, '../../../tests/wire/alarm_overdue.json'), 'utf8'));
if (frame?.type !== 'alarm' || frame.incident === null) throw new Error('no alarm of what is late');
const PINNED: Alarm & { readonly incident: Incident } = { ...frame, incident: frame.incident };

const OPERATOR = { role: 'operator', head: false };

/** Of the incident `i:n`; the step of level 0 unless it climbed. */
const alarm = (n: number, level = 0): Alarm => ({ ...PINNED, id: `a:i:${n}/${n}/${level}`, seq: n, level, incident: { ...PINNED.incident, id: `i:${n}`, version: 3 } });
const told = (): readonly (string | undefined)[] => late.told.map(({ incident }) => incident?.id);
let late: Late;
let asked: number;
let now: () => Promise<IncidentPage>;

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  asked = 0;
  late = new Late(() => ((asked += 1), now()));
});

afterEach(() => {
  vi.useRealTimers();
});

it('the newest is told first, each once, and one for each incident', () => {
  for (const one of [alarm(1), alarm(2), alarm(1)]) late.raise(one, OPERATOR);
  expect(told()).toEqual(['i:2', 'i:1']);
  late.raise(alarm(1, 1), OPERATOR);
  expect(late.told.map(({ level }) => level)).toEqual([0, 0]);
  const above = new Late();
  for (const level of [0, 1, 2]) above.raise(alarm(1, level), { role: 'supervisor', head: false });
  expect(above.told.map(({ level }) => level)).toEqual([2]);
  for (let n = 10; n < 10 + TOLD_MAX; n++) late.raise(alarm(n), OPERATOR);
  expect([late.told.length, told()[0], told().includes('i:1')]).toEqual([TOLD_MAX, `i:${9 + TOLD_MAX}`, false]);
});

it('what was looked at, or put away, is told no more, and does not come back with a resume', () => {
  for (const one of [alarm(1), alarm(2), alarm(3)]) late.raise(one, OPERATOR);
  late.looked('i:2');
  late.looked(null);
  expect(told()).toEqual(['i:3', 'i:1']);
  late.dismiss();
  late.raise(alarm(1), OPERATOR);
  expect(told()).toEqual([]);
});

it('what somebody saw to meanwhile is told no more; what the answer does not know yet stays', async () => {
  for (const one of [alarm(1), alarm(2), alarm(9)]) late.raise(one, OPERATOR);
  const answer = async (page: Partial<IncidentPage> | null): Promise<void> => {
    now = page === null ? () => Promise.reject(new TypeError('no network')) : async () => ({ incidents: [], matched: 0, seq: 8, next: null, ...page });
    late.poke();
    late.poke();
    await vi.advanceTimersByTimeAsync(ASK_MS);
  };
  await answer(null);
  await answer({ next: 'more' });
  expect(told()).toEqual(['i:9', 'i:2', 'i:1']);
  await answer({ incidents: [{ ...PINNED.incident, id: 'i:2' }] });
  expect(told()).toEqual(['i:9', 'i:2']);
  await answer({ seq: 9 });
  expect([told(), asked]).toEqual([[], 4]);
  // With nothing to tell there is nothing to ask.
  await answer({});
  expect(asked).toBe(4);
});
