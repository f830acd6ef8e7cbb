import { describe, expect, it } from 'vitest';
import { applyDelta, applyHeartbeat, fromSnapshot, type View } from './fold';
import type { Delta, Incident, Snapshot, Stats } from './protocol';

const EPOCH = 'e1';

describe('the fold', () => {
  it('a snapshot replaces everything', () => {
    const first = fromSnapshot(EPOCH, snapshot(1, [incident('a'), incident('b')]));
    const second = fromSnapshot(EPOCH, snapshot(9, [incident('c')]));
    expect([...first.items.keys()]).toEqual(['a', 'b']);
    expect([...second.items.keys()]).toEqual(['c']);
    expect(second.seq).toBe(9);
  });

  it('a delta from above the held seq is a hole', () => {
    expect(applyDelta(held(5), delta(6, 8)).kind).toBe('hole');
  });

  it('a delta from the held seq or below it is applied', () => {
    for (const from of [5, 4, 0]) {
      const view = applied(held(5), delta(from, 8, { upsert: [incident('x')] }));
      expect(view.seq).toBe(8);
      expect(view.items.has('x')).toBe(true);
    }
  });

  it('removing a key that is not held changes nothing else', () => {
    const before = held(5, ['a']);
    expect([...applied(before, delta(5, 6, { remove: ['c:9/1/1'] })).items.keys()]).toEqual(['a']);
  });

  it('absent parts stay the very same objects', () => {
    const before = held(5, ['a']);
    const after = applied(before, delta(5, 6));
    expect(after.items).toBe(before.items);
    expect(after.hotspots).toBe(before.hotspots);
    expect(after.stats).toBe(before.stats);
  });

  it('stats come whole', () => {
    const stats = { ...STATS, total: 7, byStatus: {} };
    expect(applied(held(5), delta(5, 6, { stats })).stats).toEqual(stats);
  });

  it('a heartbeat moves the cursor forward, never back', () => {
    expect(applyHeartbeat(held(5), 9).seq).toBe(9);
    expect(applyHeartbeat(held(5), 3).seq).toBe(5);
  });

  it('takes the view that the delta names, as after a pan', () => {
    expect(applied(held(5), { ...delta(5, 5), view: 'panned' }).view).toBe('panned');
  });

  for (let seed = 1; seed <= 200; seed++) {
    it(`snapshot and deltas equal a fresh snapshot, seed ${seed}`, () => {
      const random = mulberry32(seed);
      const server = new ToyServer(random);
      let view = fromSnapshot(EPOCH, server.snapshot());
      for (let step = 0; step < 40; step++) {
        for (let n = Math.floor(random() * 4); n >= 0; n--) server.change();
        const roll = random();
        if (roll < 0.15) view = applyHeartbeat(view, view.seq);
        // A slow client: some changes are skipped and covered by the next frame, which may start earlier than held.
        else if (roll < 0.8) view = applied(view, server.deltaFrom(Math.max(0, view.seq - Math.floor(random() * 3))));
      }
      view = applied(view, server.deltaFrom(view.seq));
      const fresh = fromSnapshot(EPOCH, server.snapshot());
      expect(sorted(view)).toEqual(sorted(fresh));
    });
  }
});

/** Keeps every state, so that a delta can be made from any seq. Deltas also remove keys that never were. */
class ToyServer {
  private readonly states: ReadonlyMap<string, Incident>[] = [new Map()];

  constructor(private readonly random: () => number) {}

  change(): void {
    const next = new Map(this.now());
    const id = `i:${Math.floor(this.random() * 12)}`;
    if (this.random() < 0.35) next.delete(id);
    else next.set(id, { ...incident(id), reports: Math.floor(this.random() * 100) });
    this.states.push(next);
  }

  snapshot(): Snapshot {
    return snapshot(this.seq(), [...this.now().values()]);
  }

  deltaFrom(from: number): Delta {
    const touched = new Set<string>();
    for (let seq = from + 1; seq <= this.seq(); seq++) {
      const [a, b] = [this.states[seq - 1] ?? new Map(), this.states[seq] ?? new Map()];
      for (const id of [...a.keys(), ...b.keys()]) if (a.get(id) !== b.get(id)) touched.add(id);
    }
    const upsert = [...touched].flatMap((id) => this.now().get(id) ?? []);
    const remove = [...touched].filter((id) => !this.now().has(id));
    return delta(from, this.seq(), { upsert, remove: [...remove, `c:16/${from}/1`] });
  }

  private seq(): number {
    return this.states.length - 1;
  }

  private now(): ReadonlyMap<string, Incident> {
    return this.states[this.seq()] ?? new Map();
  }
}

const STATS: Stats = { total: 1, byCategory: {}, byStatus: { new: 1 }, overdue: 0, openedToday: 1, resolvedToday: 0 };

function held(seq: number, ids: readonly string[] = []): View {
  return fromSnapshot(EPOCH, snapshot(seq, ids.map(incident)));
}

function applied(view: View, frame: Delta): View {
  const folded = applyDelta(view, frame);
  if (folded.kind !== 'applied') throw new Error('a hole where none should be');
  return folded.view;
}

function snapshot(seq: number, features: readonly Incident[]): Snapshot {
  return { type: 'snapshot', id: 'main', view: 'v', seq, level: 16, features, hotspots: [], stats: STATS, reason: 'subscribed' };
}

function delta(from: number, seq: number, parts: Partial<Delta> = {}): Delta {
  return { type: 'delta', id: 'main', view: 'v', from, seq, upsert: [], remove: [], hotspotUpsert: [], hotspotRemove: [], stats: null, ...parts };
}

function incident(id: string): Incident {
  return {
    kind: 'incident',
    id,
    at: [127.38, 0.79],
    category: 'garbage',
    status: 'new',
    reports: 1,
    title: null,
    area: null,
    agency: null,
    openedAtMs: 0,
    updatedAtMs: 0,
    dueAtMs: null,
    overdue: false,
    drill: false,
    version: null,
  };
}

function sorted(view: View): unknown {
  return { seq: view.seq, items: [...view.items.values()].sort((a, b) => (a.id < b.id ? -1 : 1)) };
}

function mulberry32(seed: number): () => number {
  let a = seed;
  return () => {
    a = (a + 0x6d2b79f5) | 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}
