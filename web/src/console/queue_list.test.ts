import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { START } from './choice';
import { problem } from './testing';
import { QueueList } from './queue.svelte';

/** What was asked for, and how to answer it. */
let asked: { readonly query: URLSearchParams; readonly answer: (response: Response) => void }[];

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'setInterval', 'clearTimeout', 'clearInterval'] });
  vi.stubGlobal('document', { hidden: false });
  asked = [];
  vi.stubGlobal('fetch', (url: string) => new Promise<Response>((answer) => asked.push({ query: new URLSearchParams(url.split('?')[1]), answer })));
});

afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

const moment = (): Promise<unknown> => vi.advanceTimersByTimeAsync(10);

it('a refusal of what was chosen before says nothing about what is chosen now', async () => {
  const list = new QueueList({ ...START, q: '((' }, () => null);
  list.poke();
  await moment();
  list.choose(START);
  asked[0]?.answer(problem(400, 'invalid-query', 'kata itu tidak dapat dicari'));
  await moment();
  expect([list.failed, list.refused, asked.length, asked[1]?.query.has('q')]).toEqual([false, null, 2, false]);
  asked[1]?.answer(Response.json({ features: [], numberMatched: 0 }));
  await moment();
  expect([list.loaded, list.failed]).toEqual([true, false]);
});

it('a choice that is refused says so until another is made', async () => {
  const list = new QueueList({ ...START, q: '((' }, () => null);
  list.poke();
  await moment();
  asked[0]?.answer(problem(400, 'invalid-query', 'kata itu tidak dapat dicari'));
  await moment();
  expect([list.failed, list.refused?.type]).toEqual([true, '/problems/invalid-query']);
  list.choose(START);
  expect([list.failed, list.refused]).toEqual([false, null]);
});

it('a list that is read anew twice in vain says that it is not up to date, until it is', async () => {
  const list = new QueueList(START, () => null);
  list.poke();
  await moment();
  asked[0]?.answer(Response.json({ features: [], numberMatched: 0 }));
  await moment();
  const told: boolean[] = [];
  for (const answer of [problem(503, 'away', ''), problem(503, 'away', ''), Response.json({ features: [], numberMatched: 0 })]) {
    list.poke();
    await vi.advanceTimersByTimeAsync(1_100);
    asked.at(-1)?.answer(answer);
    await moment();
    told.push(list.stale);
  }
  expect(told).toEqual([false, true, false]);
});
