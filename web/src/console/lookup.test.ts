import { expect, it, vi } from 'vitest';
import { ProblemError } from '../feed/http';
import { Lookup } from './lookup.svelte';

it('nothing is looked at without a reason', async () => {
  const look = vi.fn(async () => ['found']);
  const lookup = new Lookup(look);
  lookup.type('   ');
  await lookup.ask();
  expect([lookup.lacking, look.mock.calls.length]).toEqual([true, 0]);
  lookup.type(' menanyakan nomor rumah ');
  expect(lookup.lacking).toBe(false);
  await lookup.ask();
  expect(look.mock.calls).toEqual([['menanyakan nomor rumah']]);
  expect(lookup.found).toEqual(['found']);
});

it('asked twice at once it is looked at, and written down, once', async () => {
  const look = vi.fn(async () => 'found');
  const lookup = new Lookup(look);
  lookup.type('menelepon pelapor');
  await Promise.all([lookup.ask(), lookup.ask()]);
  expect(look).toHaveBeenCalledTimes(1);
});

it('a refusal is told from a line that is gone, and the reason stands', async () => {
  let fault: Error = new TypeError('no network');
  const lookup = new Lookup<string>(() => Promise.reject(fault));
  lookup.type('menelepon pelapor');
  await lookup.ask();
  expect(lookup.fault).toEqual({ kind: 'network', problem: null });
  fault = new ProblemError({ type: '', title: '', detail: 'bukan bagian Anda', status: 403 });
  await lookup.ask();
  expect(lookup.fault).toMatchObject({ kind: 'refused', problem: { status: 403 } });
  expect([lookup.reason, lookup.asking, lookup.found]).toEqual(['menelepon pelapor', false, null]);
});
