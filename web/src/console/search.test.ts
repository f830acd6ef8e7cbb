import { afterEach, describe, expect, it, vi } from 'vitest';
import type { Area } from '../feed/city';
import { findByCode } from './code';
import { findingKey, findOnServer, meanings } from './find';
import { asPhone, decodeHits, searchPhone, withoutDoubles } from './search';
import { problem } from './testing';

const ID = '01980000-0000-7000-8000-000000000001';
const hit = (more: Record<string, unknown> = {}): Record<string, unknown> => ({
  kind: 'incident', incident: ID, area: '82.71.04.1003', lng: 127.38, lat: 0.79, title: { id: 'Banjir', en: 'Flood' }, status: 'verified', why: { id: 'judul', en: 'title' }, ...more,
});
const asked: { url: string; body: string | null }[] = [];

function server(answer: (url: string) => Response): void {
  asked.length = 0;
  vi.stubGlobal('fetch', async (url: string, init?: RequestInit) => {
    asked.push({ url, body: init?.body == null ? null : String(init.body) });
    return answer(url);
  });
}
afterEach(() => vi.unstubAllGlobals());

describe('the center’s search', () => {
  it('decodes what was found, and passes over kinds that it does not know', () => {
    const [one, ...rest] = decodeHits({ seq: 1, results: [hit(), hit({ kind: 'ship' })] });
    expect(rest).toEqual([]);
    expect(one).toMatchObject({ kind: 'incident', incident: `i:${ID}`, at: [127.38, 0.79], status: 'verified', code: null });
  });

  it('names each incident once, the best first, and no place that stands there already', () => {
    const hits = decodeHits({ results: [hit({ kind: 'report', code: 'TTE-7K3M-9QXAC' }), hit(), hit({ kind: 'area', incident: null, area: '82.1' }), hit({ kind: 'area', incident: null, area: '82.2' })] });
    expect(withoutDoubles(hits, new Set(['82.1'])).map(({ kind, area }) => [kind, area])).toEqual([['report', '82.71.04.1003'], ['area', '82.2']]);
  });

  it('asks the server for words and parts of codes, and for nothing that is too short', async () => {
    server(() => Response.json({ seq: 1, results: [hit({ kind: 'report', code: 'TTE-7K3M-9QXAC' })] }));
    const found = await findOnServer(' 7k3m ', []);
    expect(asked.map(({ url }) => url)).toEqual(['/api/v1/search?q=7k3m&limit=20']);
    expect(found.map(findingKey)).toEqual(['hit-report-TTE-7K3M-9QXAC']);
    expect(await findOnServer('7k', [])).toEqual([]);
    expect(asked).toHaveLength(1);
  });

  it('finds the incident of a code', async () => {
    server((url) =>
      url.startsWith('/api/v1/search')
        ? Response.json({ results: [hit({ kind: 'report', code: 'TTE-7K3M-9QXAC' })] })
        : Response.json({ type: 'Feature', id: `i:${ID}`, geometry: { type: 'Point', coordinates: [127.38, 0.79] }, properties: { kind: 'incident', category: 'water', status: 'new', opened_at: '2026-11-24T05:00:00Z' } }),
    );
    expect(await findByCode('TTE-7K3M-9QXAC')).toMatchObject({ id: `i:${ID}` });
    expect(await findByCode('TTE-7K3M-9QXAD')).toBeNull();
  });
});

describe('a telephone number', () => {
  it('is eight digits or more, with nothing but what people write between them', () => {
    expect(asPhone(' 0812-3456 789 ')).toBe('08123456789');
    expect(asPhone('+62 (812) 3456.789')).toBe('+628123456789');
    // As the server sees one: also among words, which then may not stand in an address either.
    expect(asPhone('sampah 0812-3456-789 rumah')).toBe('08123456789');
    for (const text of ['0812345', 'TTE-7K3M-9QXAC', 'RT 04 RW 11, jalan 12', '']) expect(asPhone(text), text).toBeNull();
  });

  it('is never words of the queue, and never in an address', async () => {
    server(() => Response.json({ results: [] }));
    const village: Area = { code: '82.71.04.1003', name: 'Kalumata', level: 'village', parent: null, approximate: false, label: [127, 1], geometry: { type: 'Polygon', coordinates: [] } };
    expect(meanings('82.71.04.1003', [village], []).map(findingKey)).toEqual(['area-82.71.04.1003']);
    const found = meanings('0812 3456 789', [], []);
    expect(found).toEqual([{ kind: 'phone', phone: '08123456789' }]);
    expect(await findOnServer('0812 3456 789', found)).toEqual([]);
    expect(asked).toEqual([]);
    await searchPhone('08123456789', 'menelepon kembali');
    expect(asked).toEqual([{ url: '/api/v1/search/phone', body: JSON.stringify({ phone: '08123456789', reason: 'menelepon kembali' }) }]);
  });

  it('that may not be looked for is refused in the server’s words', async () => {
    server(() => problem(403, 'forbidden', 'you may not see contacts'));
    await expect(searchPhone('08123456789', 'x')).rejects.toThrow('you may not see contacts');
  });
});
