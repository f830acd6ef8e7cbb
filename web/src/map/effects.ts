/**
 * Movement that carries meaning, over the map: one pulse where something came in (1.2 s), one fade where something
 * went (0.6 s). The durations and the reduced-motion rule live in `map.css`.
 */
import type { Map as GlMap } from 'maplibre-gl';
import type { LngLat } from '../feed/protocol';
import type { Mark } from './draw';

/** Beyond this, more movement says nothing more. */
export const EFFECTS_MAX = 40;
const PULSE_APART_PX = 36;
/** At a desk: how far outside a mark its pulse begins, and how far out it runs. */
const PULSE_GAP_PX = 5;
const PULSE_RUN_PX = 26;

export class Effects {
  private readonly layer = document.createElement('div');
  private readonly alive = new Map<HTMLElement, LngLat>();

  private readonly pulses = new Map<HTMLElement, LngLat>();

  constructor(
    private readonly map: GlMap,
    private readonly scale: number,
  ) {
    this.layer.className = 'map-effects';
    this.layer.setAttribute('aria-hidden', 'true');
    map.getCanvasContainer().append(this.layer);
    map.on('move', () => this.place());
  }

  /** Round a mark of that radius, never across its number. Where one is running already, another would only blur it. */
  pulse(at: LngLat, r_px: number): void {
    if (this.alive.size >= EFFECTS_MAX) return;
    const { x, y } = this.map.project([at[0], at[1]]);
    for (const other of this.pulses.values()) {
      const there = this.map.project([other[0], other[1]]);
      if (Math.hypot(there.x - x, there.y - y) < PULSE_APART_PX * this.scale) return;
    }
    const ring = document.createElement('i');
    ring.className = 'map-pulse';
    const from_px = r_px + PULSE_GAP_PX * this.scale;
    ring.style.setProperty('--r', `${from_px}px`);
    ring.style.setProperty('--to', String((from_px + PULSE_RUN_PX * this.scale) / from_px));
    this.pulses.set(ring, at);
    ring.addEventListener('animationend', () => this.pulses.delete(ring));
    this.add(ring, at);
  }

  ghost(at: LngLat, mark: Mark): void {
    const canvas = document.createElement('canvas');
    canvas.className = 'map-ghost';
    canvas.width = mark.image.width;
    canvas.height = mark.image.height;
    canvas.style.width = `${mark.w}px`;
    canvas.style.height = `${mark.h}px`;
    canvas.getContext('2d')?.putImageData(mark.image, 0, 0);
    this.add(canvas, at);
  }

  private add(element: HTMLElement, at: LngLat): void {
    if (this.alive.size >= EFFECTS_MAX) return;
    this.alive.set(element, at);
    element.addEventListener('animationend', () => {
      element.remove();
      this.alive.delete(element);
    });
    this.layer.append(element);
    this.place();
  }

  private place(): void {
    for (const [element, at] of this.alive) {
      const { x, y } = this.map.project([at[0], at[1]]);
      element.style.translate = `${x}px ${y}px`;
    }
  }
}
