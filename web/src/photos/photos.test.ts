import { describe, expect, it, vi } from 'vitest';
import { ProblemError } from '../feed/http';
import type { Kept, Store } from './kept';
import { beside, decodePhotos, faultOfFile, inOrder, PHOTO_BYTES_MAX, photoAddress } from './photo';
import type { SendPhoto } from './send';
import { BACK_MS, Uploads } from './uploads.svelte';

const AT = '2026-11-24T05:00:00Z';
const JPEG = new Blob([new Uint8Array([0xff, 0xd8, 0xff, 0xe0, 1, 2, 3])]);
const told = (id: string, kind: string, at = AT): unknown => ({ id, kind, report: null, at, by: kind === 'report' ? null : 'ani', width: 640, height: 480, public: false });

class Memory implements Store {
  readonly kept = new Map<string, Kept>();
  all = async (): Promise<readonly Kept[]> => [...this.kept.values()];
  has = async (id: string): Promise<boolean> => this.kept.has(id);
  put = async (one: Kept): Promise<void> => void this.kept.set(one.id, one);
  drop = async (id: string): Promise<void> => void this.kept.delete(id);
}

let next = 0;
const newId = (): string => `u${++next}`;
const problem = (status: number, detail: string): ProblemError => new ProblemError({ type: 'about:blank', title: '', detail, status });

describe('photos of an incident', () => {
  it('stand as they are looked at: of the report, before, after, each by time', () => {
    const photos = decodePhotos([told('c', 'after'), told('b', 'before'), told('a2', 'report', '2026-11-24T05:01:00Z'), told('a1', 'report')]);
    expect(inOrder(photos).map(({ id }) => id)).toEqual(['a1', 'a2', 'b', 'c']);
    expect(beside(inOrder(photos), 'c', 1)?.id).toBe('a1');
    expect(beside(inOrder(photos), 'a1', -1)?.id).toBe('c');
    expect(photos[2]?.by).toBeNull();
    expect(decodePhotos(undefined)).toEqual([]);
    expect(photoAddress('x/y', 'thumb')).toBe('/api/v1/photos/x%2Fy?size=thumb');
  });

  it('a file is judged by its first bytes and its size, whatever it is called', async () => {
    const file = (...bytes: number[]): Blob => new Blob([new Uint8Array(bytes)]);
    expect(await faultOfFile(JPEG)).toBeNull();
    expect(await faultOfFile(file(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a))).toBeNull();
    expect(await faultOfFile(new Blob(['RIFF', file(1, 0, 0, 0), 'WEBPVP8 ']))).toBeNull();
    expect(await faultOfFile(new Blob(['RIFF', file(1, 0, 0, 0), 'WAVEfmt ']))).toBe('kind');
    expect(await faultOfFile(new Blob(['<svg xmlns="x"/>'], { type: 'image/jpeg' }))).toBe('kind');
    expect(await faultOfFile(new Blob([]))).toBe('empty');
    expect(await faultOfFile(new Blob([JPEG, new Uint8Array(PHOTO_BYTES_MAX)]))).toBe('large');
  });
});

describe('a photo on its way', () => {
  it('goes out one after the other, says how far it is, and is forgotten once the server has it', async () => {
    const store = new Memory();
    const seen: [string, number][] = [];
    const arrived: unknown[] = [];
    let busy = 0;
    const send: SendPhoto = async (_, incident, _file, kind, progress) => {
      expect(++busy).toBe(1);
      progress(0.5);
      seen.push([kind, uploads.of(incident).find(({ state }) => state === 'sending')?.progress ?? -1]);
      await Promise.resolve();
      busy -= 1;
      return { answered: kind };
    };
    const uploads = new Uploads(send, store, (incident, answer) => arrived.push([incident, answer]), newId);
    await Promise.all([uploads.add('i:1', 'before', [JPEG]), uploads.add('i:1', 'after', [JPEG, JPEG])]);
    expect(seen.map(([, progress]) => progress)).toEqual([0.5, 0.5, 0.5]);
    expect(arrived).toHaveLength(3);
    expect(uploads.all).toEqual([]);
    expect(store.kept.size).toBe(0);
  });

  it('without a network it is kept, the page after finds it, and it goes out once when the line is back', async () => {
    const store = new Memory();
    let sent = 0;
    const down = new Uploads(() => Promise.reject(new TypeError('no network')), store, () => undefined, newId);
    await down.add('i:1', 'after', [JPEG, JPEG]);
    expect(down.all.map(({ state }) => state)).toEqual(['lost', 'lost']);
    expect(store.kept.size).toBe(2);
    const after = new Uploads(async () => ++sent, store, () => undefined, newId);
    await after.recover();
    await after.recover();
    expect(sent).toBe(2);
    expect(store.kept.size).toBe(0);
    // The page that is still open finds that they have gone.
    await down.again();
    expect(down.all).toEqual([]);
  });

  it('goes out under the same id however often, and no other photo does: the server adds it once', async () => {
    const store = new Memory();
    const tried: string[] = [];
    const lost: SendPhoto = (id) => {
      tried.push(id);
      return Promise.reject(new TypeError('the answer was lost'));
    };
    const before = new Uploads(lost, store, () => undefined, newId);
    await before.add('i:1', 'after', [JPEG]);
    await before.again();
    const sent: string[] = [];
    const after = new Uploads(async (id) => sent.push(id), store, () => undefined, newId);
    await after.recover();
    await after.add('i:1', 'after', [JPEG]);
    expect(new Set([...tried, sent[0]]).size).toBe(1);
    expect(sent[1]).not.toBe(sent[0]);
  });

  it('that the server will not have is not sent again, and says why; one that it cannot take now is', async () => {
    const store = new Memory();
    let answer = problem(413, 'the photo is larger than 12 MiB');
    const uploads = new Uploads(() => Promise.reject(answer), store, () => undefined, newId);
    await uploads.add('i:1', 'after', [JPEG]);
    expect(uploads.all[0]).toMatchObject({ state: 'refused', fault: 'server', problem: { detail: 'the photo is larger than 12 MiB' } });
    expect(store.kept.size).toBe(0);
    answer = problem(401, 'sign in');
    await uploads.add('i:3', 'after', [JPEG]);
    expect(uploads.of('i:3')[0]).toMatchObject({ state: 'lost', fault: 'signin' });
    uploads.drop(uploads.of('i:3')[0]?.id ?? '');
    answer = problem(503, 'busy');
    await uploads.add('i:2', 'after', [JPEG]);
    expect(uploads.of('i:2')[0]).toMatchObject({ state: 'lost', fault: null });
    expect(uploads.lost).toBe(1);
    for (const { id } of uploads.all) uploads.drop(id);
    expect(uploads.all.every(({ state }) => state === 'dropped')).toBe(true);
    await Promise.resolve();
    expect(store.kept.size).toBe(0);
  });

  it('that was thrown away is not sent, also by the page after, and can be had back for ten seconds', async () => {
    vi.useFakeTimers();
    const store = new Memory();
    let sent = 0;
    let down = true;
    const uploads = new Uploads(async () => (down ? Promise.reject(new TypeError('no network')) : ++sent), store, () => undefined, newId);
    await uploads.add('i:1', 'after', [JPEG, JPEG]);
    const [first, second] = uploads.all;
    for (const one of [first, second]) uploads.drop(one?.id ?? '');
    await uploads.again();
    expect([uploads.lost, store.kept.size, uploads.all.map(({ state }) => state)]).toEqual([0, 0, ['dropped', 'dropped']]);
    down = false;
    await uploads.takeBack(first?.id ?? '');
    await vi.advanceTimersByTimeAsync(BACK_MS);
    await uploads.takeBack(second?.id ?? '');
    expect([sent, uploads.all, store.kept.size]).toEqual([1, [], 0]);
    vi.useRealTimers();
  });

  it('that was thrown away or sent before the browser had written it is not found by the page after', async () => {
    const store = new Memory();
    const put = store.put;
    let written = (): void => undefined;
    store.put = async (one) => {
      await new Promise<void>((resolve) => (written = resolve));
      await put(one);
    };
    const uploads = new Uploads(async () => null, store, () => undefined, newId);
    const added = uploads.add('i:1', 'after', [JPEG]);
    await vi.waitUntil(() => uploads.all.length === 1);
    uploads.drop(uploads.all[0]?.id ?? '');
    written();
    await added;
    expect(store.kept.size).toBe(0);
  });

  it('that two open tabs found goes out once', async () => {
    const store = new Memory();
    await store.put({ id: 'a', incident: 'i:1', kind: 'after', file: JPEG, atMs: 0 });
    let line: Promise<void> = Promise.resolve();
    const alone = (_: string, job: () => Promise<void>): Promise<void> => (line = line.then(job));
    let sent = 0;
    const tab = (): Uploads => new Uploads(async () => ++sent, store, () => undefined, newId, () => 0, alone);
    const [first, second] = [tab(), tab()];
    await Promise.all([first.recover(), second.recover()]);
    expect([sent, first.all, second.all]).toEqual([1, [], []]);
  });

  it('that a browser could not keep is sent all the same', async () => {
    const store = new Memory();
    store.put = () => Promise.reject(new Error('no room'));
    let sent = 0;
    const uploads = new Uploads(async () => ++sent, store, () => undefined, newId);
    await uploads.add('i:1', 'after', [JPEG]);
    expect([sent, uploads.all]).toEqual([1, []]);
  });

  it('that arrived is not sent again, and takes no other one along, when its answer cannot be read', async () => {
    const said = vi.spyOn(console, 'error').mockImplementation(() => undefined);
    let sent = 0;
    const uploads = new Uploads(async () => ++sent, new Memory(), () => {
      throw new Error('not an incident');
    }, newId);
    await uploads.add('i:1', 'after', [JPEG, JPEG]);
    expect([sent, uploads.all, said.mock.calls.length]).toEqual([2, [], 2]);
    said.mockRestore();
  });

  it('that is no picture is never sent', async () => {
    const uploads = new Uploads(() => Promise.reject(new Error('asked')), new Memory(), () => undefined, newId);
    await uploads.add('i:1', 'before', [new Blob(['teks biasa saja'])]);
    expect(uploads.all).toMatchObject([{ state: 'refused', fault: 'kind' }]);
  });
});
