import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { ProblemError } from '../feed/http';
import { Batches } from './batch.svelte';
import { runBulk, type BulkResult } from './bulk';
import { decodeCase, type Sent } from './casefile';
import { draft } from './drafts';
import { readHeld } from './held';
import { AT, incident } from './testing';
import { PLAIN_TABLE } from './transitions';
import { Undo, UNDO_MS } from './undo.svelte';

let store: Map<string, string>;
let undo: Undo;
let batches: Batches;
let sent: { readonly id: string; readonly sent: Sent }[];
let versions: Map<string, number>;
/** Lets the answers go that are held back. */
let answer: (() => void)[];
let slow: boolean;

/** The server, as far as this needs it: each incident with a version of its own. */
async function send(id: string, one: Sent): Promise<ReturnType<typeof decodeCase>> {
  sent.push({ id, sent: one });
  if (slow) await new Promise<void>((resolve) => answer.push(resolve));
  const version = versions.get(id) ?? 1;
  if (one.version !== version) throw new ProblemError({ type: '/problems/version', title: '', detail: '', status: 409 });
  versions.set(id, version + 1);
  return decodeCase({ type: 'Feature', id, geometry: { type: 'Point', coordinates: [127.38, 0.79] }, properties: { kind: 'incident', category: 'water', status: 'verified', reports: 1, opened_at: AT, updated_at: AT, version: version + 1 } });
}

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'setInterval', 'clearTimeout', 'clearInterval', 'performance'] });
  store = new Map();
  vi.stubGlobal('sessionStorage', { getItem: (key: string) => store.get(key) ?? null, setItem: (key: string, text: string) => void store.set(key, text), removeItem: (key: string) => void store.delete(key) });
  [sent, versions, answer, slow] = [[], new Map(), [], false];
  undo = new Undo();
  batches = new Batches(PLAIN_TABLE, undo, () => undefined, (incidents, wish, progress): Promise<BulkResult> => runBulk(incidents, wish, progress, send));
});

afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

const both = [incident('i:1'), incident('i:2')];
const verify = { action: 'verify', words: '', agency: null } as const;
const assign = { action: 'assign', words: '', agency: 'bpbd' } as const;
const waited = (): Promise<unknown> => vi.advanceTimersByTimeAsync(UNDO_MS + 1_000);
const moment = (): Promise<unknown> => vi.advanceTimersByTimeAsync(10);
const kept = (): readonly string[] => readHeld(store.get('pantau.console.held') ?? null).map(({ id, sent: one }) => `${one.action} ${id}`);

it('the next step on the same ones sends the one before, and meets no conflict with it', async () => {
  batches.begin(both, verify);
  expect(batches.will.get('i:1')?.status).toBe('verified');
  batches.begin([...both, incident('i:3')], assign);
  await waited();
  expect(sent.map(({ id, sent: one }) => [one.action, id, one.version])).toEqual([
    ['verify', 'i:1', 1], ['verify', 'i:2', 1], ['assign', 'i:1', 2], ['assign', 'i:2', 2], ['assign', 'i:3', 1],
  ]);
  expect([batches.outcome, undo.deeds, batches.will.size]).toEqual([null, [], 0]);
});

it('handing on waits where one of them is verified: nothing brings back the time that it had', async () => {
  const had = both.map((one) => ({ ...one, agency: 'dlh' }));
  batches.begin([had[0], { ...had[1], status: 'verified' }] as typeof had, assign);
  await moment();
  expect([sent.length, undo.deeds.length]).toEqual([0, 1]);
  undo.takeBack();
  batches.begin(had, assign);
  await moment();
  expect(sent.length).toBe(2);
});

it('those that others are done to go on waiting', async () => {
  batches.begin(both, verify);
  batches.begin([incident('i:3')], verify);
  await moment();
  expect([sent.length, undo.deeds.length]).toEqual([0, 2]);
});

it('what is under way is shown as done, and is kept until each answer is here', async () => {
  slow = true;
  batches.begin(both, verify);
  await waited();
  expect([sent.length, undo.deeds.length]).toEqual([2, 0]);
  expect([batches.running?.all, batches.will.get('i:2')?.status, kept()]).toEqual([2, 'verified', ['verify i:1', 'verify i:2']]);
  for (const go of answer) go();
  await moment();
  expect([batches.running, batches.will.size, kept()]).toEqual([null, 0, []]);
});

it('a reason that was typed is there again when the rejection is taken back', async () => {
  const reject = { action: 'reject', agency: null, disposition: 'prank' } as const;
  batches.begin(both, { ...reject, words: 'nomor yang sama, tiga kali' }, 'nomor yang sama, tiga kali');
  undo.takeBack();
  expect([draft('bulk', 'reject'), kept()]).toEqual(['nomor yang sama, tiga kali', []]);
  // What the choice alone says was not typed.
  batches.begin(both, { ...reject, words: 'Laporan iseng' }, '');
  undo.takeBack();
  expect(draft('bulk', 'reject')).toBe('');
  await waited();
  expect(sent).toEqual([]);
});

it('what was stored without an answer counts as stored, and the next step goes with the version after it', async () => {
  const file = async (id: string): Promise<ReturnType<typeof decodeCase>> => decodeCase({ type: 'Feature', id, geometry: { type: 'Point', coordinates: [127.38, 0.79] }, properties: { kind: 'incident', category: 'water', status: 'verified', reports: 1, opened_at: AT, updated_at: AT, version: 7 } });
  const cut = async (id: string, one: Sent): Promise<never> => {
    sent.push({ id, sent: one });
    throw new TypeError('the line was cut');
  };
  const asked: string[] = [];
  const result = await runBulk([incident('i:1', { version: 3 }), incident('i:2', { version: 5 })], verify, () => undefined, cut, async (one, { version }) => {
    asked.push(`${one.id} ${version}`);
    return one.id === 'i:1' ? file(one.id) : null;
  });
  expect(asked).toEqual(['i:1 3', 'i:2 5']);
  expect([result.stored, [...result.versions], result.refused.map(({ incident: { id }, why }) => [id, why])]).toEqual([['i:1'], [['i:1', 4]], [['i:2', 'network']]]);
  // Nothing can be read without a line either.
  const without = await runBulk([incident('i:1')], verify, () => undefined, cut, () => Promise.reject(new TypeError('no network')));
  expect(without.refused.map(({ why }) => why)).toEqual(['network']);
});
