/**
 * What a subscription shows, folded from its frames. Pure: values in, values out.
 *
 * The law: after a snapshot and every delta up to seq n, a `View` holds exactly what a fresh snapshot at n holds.
 */
import type { Delta, Hotspot, MapItem, Snapshot, Stats } from './protocol';

export interface View {
  /** The database that counts: a seq means something only together with it. */
  readonly epoch: string;
  /** The server's digest of bbox, zoom, filter and the rest. */
  readonly view: string;
  /** Complete up to here. */
  readonly seq: number;
  /** The level of the clusters' cells. */
  readonly level: number;
  readonly items: ReadonlyMap<string, MapItem>;
  readonly hotspots: ReadonlyMap<string, Hotspot>;
  readonly stats: Stats | null;
}

/** Nothing at all, of no time: what a map shows while it does not know. */
export const NO_VIEW: View = { epoch: '', view: '', seq: 0, level: 0, items: new Map(), hotspots: new Map(), stats: null };

export type Folded =
  | { readonly kind: 'applied'; readonly view: View }
  /** The delta starts above what is held: something is missing, subscribe again without resume. */
  | { readonly kind: 'hole' };

/** A snapshot replaces everything. */
export function fromSnapshot(epoch: string, snapshot: Snapshot): View {
  return {
    epoch,
    view: snapshot.view,
    seq: snapshot.seq,
    level: snapshot.level,
    items: new Map(snapshot.features.map((item) => [item.id, item])),
    hotspots: new Map(snapshot.hotspots.map((hotspot) => [hotspot.id, hotspot])),
    stats: snapshot.stats,
  };
}

/**
 * A delta that starts at or below the held seq is applied, also when parts of it are known already: it holds what
 * each key shows at its end. Parts that are absent stay; `stats` comes whole; unknown keys may be removed.
 */
export function applyDelta(held: View, delta: Delta): Folded {
  if (delta.from > held.seq) return { kind: 'hole' };
  return {
    kind: 'applied',
    view: {
      epoch: held.epoch,
      view: delta.view,
      seq: Math.max(held.seq, delta.seq),
      level: held.level,
      items: patched(held.items, delta.upsert, delta.remove),
      hotspots: patched(held.hotspots, delta.hotspotUpsert, delta.hotspotRemove),
      stats: delta.stats ?? held.stats,
    },
  };
}

/** A heartbeat says that the subscription is complete to its seq, although nothing in it changed. */
export function applyHeartbeat(held: View, seq: number): View {
  return seq > held.seq ? { ...held, seq } : held;
}

/** The same map when nothing changed, so that whoever watches it can tell by identity. */
function patched<T extends { readonly id: string }>(
  held: ReadonlyMap<string, T>,
  upsert: readonly T[],
  remove: readonly string[],
): ReadonlyMap<string, T> {
  if (upsert.length === 0 && remove.length === 0) return held;
  const next = new Map(held);
  for (const key of remove) next.delete(key);
  for (const one of upsert) next.set(one.id, one);
  return next;
}
