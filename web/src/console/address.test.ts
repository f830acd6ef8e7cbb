import { afterEach, expect, it, vi } from 'vitest';
import { fromAddress } from '../replay/player';
import { openIn, writeAddress } from './address';
import { START } from './choice';
import { CodeSearch } from './code_search.svelte';
import { AT } from './testing';

afterEach(() => vi.unstubAllGlobals());

const ID = 'i:019abcde-0000-7000-8000-0123456789ab';

it('the address keeps what is open, and everything else that stands in it', () => {
  const before = new URLSearchParams('lang=en&at=2026-11-24T02:00:00Z&speed=60');
  const text = writeAddress(before, { choice: { ...START, categories: ['water', 'garbage'] }, open: ID, player: null }, START);
  expect(text).toBe(`?lang=en&category=water,garbage&incident=${ID}`);
  expect(openIn(new URLSearchParams(text))).toBe(ID);
  expect(writeAddress(new URLSearchParams(text), { choice: START, open: null, player: null }, START)).toBe('?lang=en');
  expect(writeAddress(new URLSearchParams(), { choice: START, open: null, player: null }, START)).toBe('');
});

it('it names the moment while the past is shown', () => {
  const player = fromAddress(new URLSearchParams('at=2026-11-24T02:00:00Z&speed=60'), Date.parse(AT), (ms) => ms);
  expect(writeAddress(new URLSearchParams(), { choice: START, open: null, player }, START)).toBe('?at=2026-11-24T02:00:00Z&speed=60');
});

it('what is no incident’s address opens none', () => {
  for (const text of ['', 'incident=', 'incident=i:7', 'incident=i:../accounts']) expect(openIn(new URLSearchParams(text)), text).toBeNull();
});

it('the answer about an earlier code says nothing any more', async () => {
  const answers: ((response: Response) => void)[] = [];
  vi.stubGlobal('fetch', () => new Promise<Response>((answer) => answers.push(answer)));
  const opened: string[] = [];
  const codes = new CodeSearch({ t: (key, more) => `${key} ${String(more?.code ?? '')}`.trim() }, ({ id }) => opened.push(id));
  const first = codes.look('TTE-7K3M-9QXAC');
  const second = codes.look('TTE-0000-00000');
  answers[0]?.(Response.json({ results: [] }));
  await first;
  expect(codes.said).toBe('console.code.looking TTE-0000-00000');
  answers[1]?.(Response.json({ results: [] }));
  await second;
  expect([codes.said, opened]).toEqual(['console.code.unknown TTE-0000-00000', []]);
  const third = codes.look('TTE-7K3M-9QXAC');
  codes.forget();
  answers[2]?.(Response.json({ results: [] }));
  await third;
  expect(codes.said).toBeNull();
});
