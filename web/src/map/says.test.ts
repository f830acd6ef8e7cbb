import { afterEach, describe, expect, it, vi } from 'vitest';
import type { Map as GlMap } from 'maplibre-gl';
import type { City } from '../feed/city';
import type { Cluster, Incident } from '../feed/protocol';
import { makeWords } from '../i18n';
import { toBubbles } from './bubbles';
import { MarkStore } from './marks';
import { figureOf, sayCounts, sayPicked } from './says';

const indonesian = makeWords('id', 'Asia/Jayapura', 'WIT');
const english = makeWords('en', 'Asia/Jayapura', 'WIT');
const WATER = { key: 'water', agency: null, name: { id: 'Air', en: 'Water supply' }, icon: 'water_tap', colour: { dark: '#56b4e9', day: '#1f6fa3' } };
const city = { categories: [WATER], projection: 'staff' } as unknown as City;

const incident = (more: Partial<Incident> = {}): Incident => ({
  kind: 'incident', id: 'i:1', at: [127.38, 0.79], category: 'water', status: 'new', reports: 1, title: null, area: null, agency: null,
  openedAtMs: 0, updatedAtMs: 0, dueAtMs: null, overdue: false, drill: false, version: null, ...more,
});
const cluster = (count: number, reports: number): Cluster => ({ kind: 'cluster', id: 'c:1', at: [127.38, 0.79], count, reports, byCategory: { water: count }, overdue: 0, expandZoom: null });

describe('the counts of an incident', () => {
  it('are a figure on its mark from two reports on, and never wider than the rim', () => {
    expect([0, 1, 2, 12, 99, 100, 4_000].map((reports) => figureOf({ reports }))).toEqual([null, null, '2', '12', '99', '99+', '99+']);
  });

  it('are words for whoever points at it: reports and people, and the public is told what it may see', () => {
    expect(sayCounts({ reports: 12, reporters: 9 }, indonesian)).toBe('12 laporan, 9 pelapor');
    expect(sayCounts({ reports: 1, reporters: 1 }, english)).toBe('1 report, 1 reporter');
    expect(sayCounts({ reports: 12 }, indonesian)).toBe('12 laporan');
    const picked = (more: Partial<Incident>) => ({ kind: 'incident', incident: incident(more) }) as const;
    expect(sayPicked(picked({ reports: 12, reporters: 9, title: { id: 'Air di Muhajirin', en: 'Water in Muhajirin' } }), [WATER], indonesian)).toBe('Air di Muhajirin: 12 laporan, 9 pelapor');
    expect(sayPicked(picked({ reports: 2 }), [WATER], english)).toBe('Water supply: 2 reports');
    expect(sayPicked(picked({ reports: 2, category: 'unknown' }), [WATER], english)).toBe('2 reports');
    expect(sayPicked({ kind: 'nothing' }, [WATER], english)).toBe('');
  });

  it('are added up where many incidents are one bubble', () => {
    const [bubble] = toBubbles([cluster(7, 30), incident({ reports: 12 })], 12, 1);
    expect(bubble?.count).toBe(8);
    expect(bubble && sayPicked({ kind: 'bubble', bubble }, [WATER], indonesian)).toBe('8 kejadian, 42 laporan');
  });
});

describe('the mark of an incident', () => {
  afterEach(() => void vi.unstubAllGlobals());

  /** Draws on a canvas that only remembers what was written on it. */
  function drawn(...incidents: Incident[]): { images: string[]; written: string[] } {
    const written: string[] = [];
    const context = new Proxy({} as Record<string, unknown>, {
      get: (kept, key: string) => {
        if (key in kept) return kept[key];
        if (key === 'measureText') return () => ({ width: 10 });
        if (key === 'fillText') return (text: string) => written.push(text);
        return () => ({});
      },
    });
    vi.stubGlobal('document', { createElement: () => ({ getContext: () => context }) });
    vi.stubGlobal('Path2D', class {});
    const images: string[] = [];
    const gl = { addImage: (id: string) => images.push(id) } as unknown as GlMap;
    const marks = new MarkStore(gl, { city, words: indonesian, scale: 1, plate_px: 14, ratio: 1 });
    for (const bubble of incidents.flatMap((one) => toBubbles([one], 12, 1))) marks.bubble(bubble, 'dark', city.categories);
    return { images, written };
  }

  it('has the count of its reports written on it, where it is more than one', () => {
    expect(drawn(incident({ reports: 12 })).written).toEqual(['12']);
    expect(drawn(incident()).written).toEqual([]);
  });

  it('is drawn once for all that look alike, however many reports stand behind those beyond what fits', () => {
    const many = Array.from({ length: 5_000 }, (_, n) => incident({ id: `i:${n}`, reports: n % 500 }));
    expect(drawn(...many).images.length).toBe(100);
  });
});
