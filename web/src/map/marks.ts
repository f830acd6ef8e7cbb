/** The images of the map by what they look like: drawn when first needed, forgotten when long unused. */
import type { Map as GlMap } from 'maplibre-gl';
import type { Category, City } from '../feed/city';
import type { Words } from '../i18n';
import type { Bubble } from './bubbles';
import { deadlineOf } from './deadline';
import { drawBeacon, drawBubble, drawIncident, drawPlate, trendOf, type Mark } from './draw';
import { NUMBERED_MAX, shortName, type RankedHotspot } from './hotspots';
import { drawGroundMark, GROUND_MARKS } from './ground';
import { ALL_ICON } from './icons';
import { heat, heatColour, PALETTES, type Palette, type Theme } from './palette';
import { figureOf } from './says';

export interface MarkOptions {
  readonly city: City;
  readonly words: Words;
  readonly scale: number;
  readonly plate_px: number;
  readonly ratio: number;
}

/** Unused images beyond this many are given back to the map. */
const IMAGES_MAX = 600;
const SHARE_STEPS = 24;
export const CLEAR_STEP_PX = 8;

export class MarkStore {
  private readonly marks = new Map<string, Mark>();
  private readonly used = new Set<string>();
  private readonly compact: Intl.NumberFormat;

  constructor(
    private readonly gl: GlMap,
    private readonly options: MarkOptions,
  ) {
    this.compact = new Intl.NumberFormat(options.words.lang === 'id' ? 'id-ID' : 'en-GB', { notation: 'compact', maximumFractionDigits: 1 });
  }

  bubble(bubble: Bubble, theme: Theme, categories: readonly Category[]): string {
    const { city, scale, ratio } = this.options;
    const palette = PALETTES[theme];
    const incident = bubble.incident;
    if (incident !== null) {
      const category = categories.find(({ key }) => key === incident.category);
      const look = {
        icon: category?.icon ?? '',
        colour: category?.colour[theme] ?? palette.muted,
        status: incident.status,
        deadline: deadlineOf(incident, city.projection),
        figure: figureOf(incident),
      };
      const id = `i|${theme}|${look.icon}|${look.colour}|${look.status}|${look.deadline}|${look.figure}`;
      return this.ensure(id, () => drawIncident(look, bubble.r_px, ratio, palette));
    }
    const label = bubble.count < 1000 ? String(bubble.count) : this.compact.format(bubble.count);
    const shares = Object.fromEntries(
      categories.map(({ key }) => [key, Math.ceil(((bubble.byCategory[key] ?? 0) / bubble.count) * SHARE_STEPS)]),
    );
    const look = { label, shares, late: bubble.overdue > 0 && city.projection !== 'public' };
    const r_px = Math.round(bubble.r_px);
    const id = `b|${theme}|${label}|${r_px}|${Object.values(shares).join('.')}|${look.late}`;
    return this.ensure(id, () => drawBubble(look, categories, theme, r_px, scale, ratio, palette));
  }

  beacon(r_px: number, strong: boolean, colour: string): string {
    const { scale, ratio } = this.options;
    const id = `r|${Math.round(r_px)}|${strong}|${colour}`;
    return this.ensure(id, () => drawBeacon(r_px, strong, colour, scale, ratio));
  }

  /** Whole, then compact: without the name, which the rail has. */
  plates(one: RankedHotspot, theme: Theme): string[] {
    return [this.plate(one, theme, true), this.plate(one, theme, false)];
  }

  private plate({ hotspot, rank }: RankedHotspot, theme: Theme, named: boolean): string {
    const { city, words, plate_px, ratio } = this.options;
    const palette = PALETTES[theme];
    const numbered = rank <= NUMBERED_MAX;
    const look = {
      rank: numbered ? rank : null,
      name: named ? shortName(words.pick(hotspot.name)) : null,
      count: words.number(hotspot.reports),
      trend: trendOf(hotspot.state),
      icon: city.categories.find(({ key }) => key === hotspot.category)?.icon ?? ALL_ICON,
      colour: heatColour(palette.ramp, heat(hotspot.reports)),
    };
    const font_px = plate_px * (rank === 1 ? 1.12 : numbered ? 1 : 0.82);
    const id = `p|${theme}|${font_px}|${Object.values(look).join('|')}`;
    return this.ensure(id, () => drawPlate(look, font_px, ratio, palette));
  }

  /** Nothing to see, of at least this size: what stands there takes the place all the same. A point of it is many of the screen. */
  clear(w_px: number, h_px: number): string {
    const [w, h] = [Math.ceil(w_px / CLEAR_STEP_PX), Math.ceil(h_px / CLEAR_STEP_PX)];
    return this.ensure(`c|${w}|${h}`, () => ({ image: new ImageData(w, h), w: w * CLEAR_STEP_PX, h: h * CLEAR_STEP_PX }), 1 / CLEAR_STEP_PX);
  }

  drawn(id: string): Mark {
    const mark = this.marks.get(id);
    if (mark === undefined) throw new Error(`no mark ${id}`);
    return mark;
  }

  addGroundMarks(palette: Palette, note_px: number): void {
    for (const kind of GROUND_MARKS) {
      const id = `mark-${kind}`;
      const mark = drawGroundMark(kind, note_px * 0.86, this.options.ratio, palette.mark);
      if (this.gl.hasImage(id)) this.gl.updateImage(id, mark.image);
      else this.gl.addImage(id, mark.image, { pixelRatio: this.options.ratio });
    }
  }

  /** Called after each drawing: what it did not use may go, once there is too much of it. */
  sweep(): void {
    if (this.marks.size > IMAGES_MAX) {
      for (const id of this.marks.keys()) {
        if (this.used.has(id)) continue;
        this.marks.delete(id);
        this.gl.removeImage(id);
      }
    }
    this.used.clear();
  }

  private ensure(id: string, draw: () => Mark, pixelRatio = this.options.ratio): string {
    this.used.add(id);
    if (!this.marks.has(id)) {
      const mark = draw();
      this.marks.set(id, mark);
      this.gl.addImage(id, mark.image, { pixelRatio });
    }
    return id;
  }
}
