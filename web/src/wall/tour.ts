/** `?tour=1`: the whole city, then the three strongest hotspots, and round again. Touching the map pauses it. */
import type { RankedHotspot } from '../map/hotspots';
import { boundsOf } from '../map/camera';
import type { PantauMap } from '../map/map';

const STOP_MS = 15_000;
const PAUSE_MS = 60_000;
const STOPS_MAX = 3;

export function runTour(map: PantauMap, ranked: () => readonly RankedHotspot[]): () => void {
  const home = { center: map.gl.getCenter(), zoom: map.gl.getZoom() };
  let stop = 0;
  let touchedAt_ms = -Infinity;
  const touched = (): void => void (touchedAt_ms = performance.now());
  const timer = setInterval(() => {
    if (performance.now() - touchedAt_ms < PAUSE_MS) return;
    const next = ranked()[stop];
    const bbox = next && stop < STOPS_MAX ? boundsOf([next.hotspot.outline]) : null;
    stop = bbox === null ? 0 : stop + 1;
    if (bbox === null) map.gl.easeTo({ ...home, duration: 2500 });
    else map.fit(bbox, Math.min(map.gl.getContainer().clientWidth, map.gl.getContainer().clientHeight) * 0.3, 15.5);
  }, STOP_MS);
  for (const kind of ['mousedown', 'wheel', 'touchstart'] as const) map.gl.on(kind, touched);
  return () => clearInterval(timer);
}
