/** What the center knew at one moment, read whole from the server. */
import type { View } from '../feed/fold';
import { getIncidents, getJson, type Query } from '../feed/http';
import { decodeHotspot, decodeItem, decodeStats, list, number, object, type Bbox } from '../feed/protocol';

export interface Look {
  readonly bbox: Bbox;
  readonly zoom: number;
}

/** A moment, and whether drills are among what its figures count. */
export interface PastView extends View {
  readonly drills: boolean;
}

/**
 * Four answers about one moment; a seq may lie between them, but none of them knows of anything later. Of `filter`
 * hotspots heed category and area alone.
 */
export async function readMoment(atMs: number, look: Look, filter: Query = {}): Promise<PastView> {
  const at = new Date(Math.floor(atMs)).toISOString();
  const [clusters, hotspots, stats, drills] = await Promise.all([
    getJson('/api/v1/clusters', { ...filter, bbox: look.bbox.join(','), zoom: look.zoom, at }),
    getJson('/api/v1/hotspots', { category: filter.category, area: filter.area, at }),
    getJson('/api/v1/stats', { ...filter, at }),
    getJson('/api/v1/stats', { ...filter, drill: 'true', at }),
  ]);
  const { total, openedToday, resolvedToday } = decodeStats(drills);
  return { ...decodeMoment(clusters, hotspots, stats), drills: total + openedToday + resolvedToday > 0 };
}

export function decodeMoment(clusters: unknown, hotspots: unknown, stats: unknown): View {
  const o = object(clusters, 'clusters');
  const items = list(o.features, 'features').map(decodeItem);
  const shown = list(object(hotspots, 'hotspots').features, 'features').map(decodeHotspot);
  return {
    epoch: 'past',
    view: 'past',
    seq: number(o.seq, 'seq'),
    level: number(o.level, 'level'),
    items: new Map(items.map((item) => [item.id, item])),
    hotspots: new Map(shown.map((hotspot) => [hotspot.id, hotspot])),
    stats: decodeStats(stats),
  };
}

const PAGES_MAX = 5;
const EVERY_STATUS = 'new,verified,in_progress,resolved,rejected';

/** When incidents were opened within a span, as known now; of very many, the newest. */
export async function readOpened(fromMs: number, toMs: number, filter: Query = {}): Promise<readonly number[]> {
  const opened: number[] = [];
  let cursor: string | undefined;
  for (let n = 0; n < PAGES_MAX; n++) {
    const page = await getIncidents({ ...filter, since: new Date(fromMs).toISOString(), until: new Date(toMs).toISOString(), status: EVERY_STATUS, include: 'archive', limit: 1000, cursor });
    opened.push(...page.incidents.map(({ openedAtMs }) => openedAtMs));
    if (page.next === null) break;
    cursor = page.next;
  }
  return opened;
}
