import { afterEach, expect, it, vi } from 'vitest';
import { Drafts } from './drafts';

afterEach(() => vi.unstubAllGlobals());

it('what was typed outlives the page, and nothing is left of what was sent', () => {
  const store = new Map<string, string>();
  vi.stubGlobal('sessionStorage', { getItem: (key: string) => store.get(key) ?? null, setItem: (key: string, text: string) => void store.set(key, text), removeItem: (key: string) => void store.delete(key) });
  new Drafts('page').keep('i:7.reject', 'tidak ada di lokasi');
  const after = new Drafts('page');
  expect([after.read('i:7.reject'), after.read('i:8.reject'), new Drafts('other').read('i:7.reject')]).toEqual(['tidak ada di lokasi', '', '']);
  after.keep('i:7.reject', '');
  expect(store.size).toBe(0);
});

it('a browser that stores nothing keeps it while the page lasts', () => {
  const refuse = (): never => {
    throw new Error('denied');
  };
  vi.stubGlobal('sessionStorage', { getItem: refuse, setItem: refuse, removeItem: refuse });
  const drafts = new Drafts('page');
  drafts.keep('note', 'pompa rusak');
  expect([drafts.read('note'), drafts.read('handover')]).toEqual(['pompa rusak', '']);
});
