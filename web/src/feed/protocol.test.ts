import { describe, expect, it } from 'vitest';
import { decodeFrame, DecodeError } from './protocol';

const HOTSPOT = {
  type: 'Feature',
  id: 'h:1187-0',
  geometry: { type: 'Polygon', coordinates: [[[127, 0], [127.1, 0], [127, 0.1], [127, 0]]] },
  properties: {
    kind: 'hotspot', category: 'water', state: 'growing', trend: 1.8, reports: 62, reporters: 41, centroid: [127.03, 0.03], gi_z: 4.1, surge: null,
    areas: [], name: { id: 'Gamalama', en: 'Gamalama' }, first_at: '2026-11-24T04:00:00Z', last_at: '2026-11-24T04:40:00Z',
    why: { id: '62 laporan', en: '62 reports' }, drill: false,
  },
};

describe('decodeFrame', () => {
  it('reads a delta with absent parts as empty ones', () => {
    expect(decodeFrame('{"type":"delta","id":"main","view":"v","from":1,"seq":2}')).toEqual({
      type: 'delta', id: 'main', view: 'v', from: 1, seq: 2, upsert: [], remove: [], hotspotUpsert: [], hotspotRemove: [], stats: null,
    });
  });

  it('reads clusters, incidents and hotspots', () => {
    const frame = decodeFrame(
      JSON.stringify({
        type: 'snapshot', id: 'main', view: 'v', seq: 9, level: 16, reason: 'subscribed', hotspots: [HOTSPOT],
        features: [
          { type: 'Feature', id: 'c:16/55956/32624', geometry: { type: 'Point', coordinates: [127.3801, 0.7912] }, properties: { kind: 'cluster', count: 12, reports: 15, by_category: { garbage: 8, water: 4 }, overdue: 2, expand_zoom: null } },
          { type: 'Feature', id: 'i:0198', geometry: { type: 'Point', coordinates: [127.38, 0.79] }, properties: { kind: 'incident', category: 'garbage', status: 'new', reports: 3, opened_at: '2026-11-24T04:00:00Z', overdue: false, drill: true } },
        ],
      }),
    );
    expect(frame).toMatchObject({
      features: [
        { kind: 'cluster', count: 12, byCategory: { garbage: 8, water: 4 }, expandZoom: null },
        { kind: 'incident', status: 'new', title: null, dueAtMs: null, drill: true },
      ],
      hotspots: [{ id: 'h:1187-0', reports: 62, centroid: [127.03, 0.03] }],
    });
  });

  it('passes over a type that it does not know', () => {
    expect(decodeFrame('{"type":"weather"}')).toBeNull();
  });

  const broken: [string, string][] = [
    ['not JSON', '{'],
    ['a list', '[]'],
    ['a snapshot without a seq', '{"type":"snapshot","id":"main","view":"v","level":3}'],
    ['an unknown status', JSON.stringify({ type: 'delta', id: 'main', view: 'v', from: 1, seq: 2, upsert: [{ id: 'i:1', geometry: { type: 'Point', coordinates: [1, 2] }, properties: { kind: 'incident', category: 'a', status: 'lost', opened_at: '2026-11-24T04:00:00Z' } }] })],
    ['a place that is no number', JSON.stringify({ type: 'delta', id: 'main', view: 'v', from: 1, seq: 2, upsert: [{ id: 'i:1', geometry: { type: 'Point', coordinates: ['1', 2] }, properties: { kind: 'cluster', count: 2, by_category: {} } }] })],
    ['a time that is none', '{"type":"heartbeat","seq":1,"time":"soon","speed":1}'],
  ];
  for (const [what, text] of broken) {
    it(`refuses ${what}`, () => expect(() => decodeFrame(text)).toThrow(DecodeError));
  }
});
