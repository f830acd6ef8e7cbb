/** Drawing a box with one finger or the mouse, over the map. */
import type { Map as GlMap } from 'maplibre-gl';
import type { Bbox } from '../feed/protocol';

/** Smaller than this was a tap, not a box. */
const SIDE_PX_MIN = 16;

/** Lays a sheet over the map until a box is drawn; returns how to call it off. */
export function drawBox(map: GlMap, done: (bbox: Bbox) => void): () => void {
  const sheet = document.createElement('div');
  const frame = document.createElement('div');
  sheet.className = 'map-draw';
  sheet.append(frame);
  map.getContainer().append(sheet);
  const place = (event: PointerEvent): { x: number; y: number } => {
    const box = sheet.getBoundingClientRect();
    return { x: event.clientX - box.x, y: event.clientY - box.y };
  };
  let from: { x: number; y: number } | null = null;
  sheet.addEventListener('pointerdown', (event) => {
    sheet.setPointerCapture(event.pointerId);
    from = place(event);
  });
  sheet.addEventListener('pointermove', (event) => {
    if (from === null) return;
    const to = place(event);
    frame.style.inset = 'auto';
    frame.style.left = `${Math.min(from.x, to.x)}px`;
    frame.style.top = `${Math.min(from.y, to.y)}px`;
    frame.style.width = `${Math.abs(to.x - from.x)}px`;
    frame.style.height = `${Math.abs(to.y - from.y)}px`;
  });
  sheet.addEventListener('pointerup', (event) => {
    if (from === null) return;
    const to = place(event);
    const [a, b] = [map.unproject([from.x, from.y]), map.unproject([to.x, to.y])];
    const wide = Math.abs(to.x - from.x) >= SIDE_PX_MIN && Math.abs(to.y - from.y) >= SIDE_PX_MIN;
    from = null;
    if (!wide) return;
    sheet.remove();
    const round = (n: number): number => Math.round(n * 1e5) / 1e5;
    done([round(Math.min(a.lng, b.lng)), round(Math.min(a.lat, b.lat)), round(Math.max(a.lng, b.lng)), round(Math.max(a.lat, b.lat))]);
  });
  return () => sheet.remove();
}
