import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { City } from '../feed/city';
import { frameOf, pathOf, reachOf } from './picture';
import { decodeSituation } from './read';
import { lastHours, readSpan, stamp, writeSpan } from './span';

const rest = (name: string): Record<string, unknown> => JSON.parse(readFileSync(resolve(import.meta.dirname, `../../../tests/wire/rest/${name}.json`), 'utf8')) as Record<string, unknown>;

/** The answer as the server makes it, of pieces that its own tests pin. */
function answer(): Record<string, unknown> {
  const [open] = (rest('incidents').features as unknown[]) ?? [];
  const listed = { total: 1, incidents: [open] };
  const none = { total: 0, incidents: [] };
  return {
    message_id: 'e:1:2',
    seq: 26,
    since: '2026-11-23T21:00:00Z',
    until: '2026-11-24T05:05:00Z',
    prepared_at: '2026-11-24T05:05:01Z',
    prepared_by: { name: 'ani', full_name: 'Ani Wijaya', role: 'operator' },
    center: { key: 'ternate', name: { id: 'Kota Ternate', en: 'Ternate' } },
    bbox: [127.3, 0.7, 127.4, 0.9],
    summary: { id: 'Antara …', en: 'Between …' },
    now: rest('stats'),
    before: rest('stats'),
    changes: { actions: { verify: 3 }, is_cut: false, opened: listed, resolved: none, rejected: none, newly_overdue: none },
    open: listed,
    overdue: none,
    hotspots: rest('hotspots').features,
    log: [{ seq: 9, at: '2026-11-24T02:00:00Z', actor: 'budi', kind: 'handover', text: 'Malam tenang.' }],
    people: [{ name: 'ani', full_name: 'Ani Wijaya', role: 'operator', since: null, acts: 12 }, { name: 'token:3', full_name: null, role: null, since: null, acts: 1 }],
  };
}

describe('the situation', () => {
  it('is read whole', () => {
    const situation = decodeSituation(answer());
    expect([situation.seq, situation.preparedBy, situation.open.incidents.length]).toEqual([26, 'Ani Wijaya', 1]);
    expect(situation.people.map(({ name, acts }) => [name, acts])).toEqual([['Ani Wijaya', 12], ['token:3', 1]]);
    expect(situation.hotspots.length).toBeGreaterThan(0);
    expect(situation.log[0]?.kind).toBe('handover');
  });

  it('is about a span that the address keeps, to the second', () => {
    const span = readSpan(new URLSearchParams('since=2026-11-24T00:00:00Z&lang=en'));
    expect(span).toEqual({ sinceMs: Date.parse('2026-11-24T00:00:00Z'), untilMs: null });
    expect(writeSpan(new URLSearchParams('lang=en&until=x'), span)).toBe('lang=en&since=2026-11-24T00:00:00Z');
    expect(readSpan(new URLSearchParams('since=kemarin'))).toEqual({ sinceMs: null, untilMs: null });
    expect(stamp(lastHours(6, Date.parse('2026-11-24T06:00:00.900Z')).sinceMs ?? 0)).toBe('2026-11-24T00:00:00Z');
  });
});

describe('its picture', () => {
  const city = { centre: [127.36, 0.8], zoom: { min: 8, start: 12, max: 18 } } as unknown as City;
  const frame = frameOf(city, 560, 600);

  it('has the city’s centre in its middle, north above', () => {
    expect(frame.to([127.36, 0.8])).toEqual({ x: 280, y: 300 });
    expect(frame.to([127.36, 0.81]).y).toBeLessThan(300);
    expect(frame.to([127.37, 0.8]).x).toBeGreaterThan(280);
    expect([frame.holds([127.36, 0.8]), frame.holds([126, 0.8])]).toEqual([true, false]);
  });

  it('draws closed outlines, and leaves out corners that nobody sees', () => {
    const ring = [[127.36, 0.8], [127.37, 0.8], [127.370000001, 0.8], [127.37, 0.81], [127.36, 0.8]];
    const path = pathOf({ type: 'Polygon', coordinates: [ring] }, frame);
    expect(path).toMatch(/^M280\.0 300\.0L/);
    expect(path.endsWith('Z')).toBe(true);
    expect(path.match(/[ML]/g)).toHaveLength(4);
    expect(pathOf({ type: 'MultiPolygon', coordinates: [[ring], [ring]] }, frame).match(/Z/g)).toHaveLength(2);
  });

  it('knows how far an outline reaches', () => {
    const ring = [[127.36, 0.8], [127.37, 0.8], [127.37, 0.81], [127.36, 0.8]];
    expect(reachOf({ type: 'MultiPolygon', coordinates: [[ring]] }, frame)).toBeCloseTo((frame.to([127.37, 0.8]).x - 280) / 2, 1);
  });
});
