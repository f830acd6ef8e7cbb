/**
 * The map of every page: ground, areas, hotspots, bubbles, plates. It is given whole views and draws the difference.
 * Sources and layers are made once and never again; the camera moves only when its page asks.
 */
import * as maplibregl from 'maplibre-gl';
import workerUrl from 'maplibre-gl/dist/maplibre-gl-worker.mjs?worker&url';
import 'maplibre-gl/dist/maplibre-gl.css';
import { Protocol } from 'pmtiles';
import type { Area, City } from '../feed/city';
import type { View } from '../feed/fold';
import type { Bbox, Hotspot, Incident, LngLat, MapItem } from '../feed/protocol';
import type { Words } from '../i18n';
import { atLeast, boxOf, centreOf, cutUp, edgesOf, type Box } from './boxes';
import { bubbleOf, bubbleWith, INCIDENT_R_PX, toBubbles, type Bubble } from './bubbles';
import { boundsOf, boundsOfOne, startCamera, type Camera } from './camera';
import { addButtons, addScale } from './controls';
import { toSourceDiff, type Drawn, type DrawnFeature } from './diff';
import type { Mark } from './draw';
import { Effects, EFFECTS_MAX } from './effects';
import { beaconFeatures, beaconRadius_px, hotspotFeatures, plateFeatures, rankHotspots, type RankedHotspot } from './hotspots';
import { CLEAR_STEP_PX, MarkStore } from './marks';
import './map.css';
import { covers, widened } from './mercator';
import { PALETTES, type Theme } from './palette';
import { placePlates } from './plates';
import { hasJoined, risen } from './risen';
import { sayPicked } from './says';
import { buildStyle, MAP_FONT, paintsOf, SOURCE } from './style';

maplibregl.setWorkerUrl(workerUrl);
maplibregl.addProtocol('pmtiles', new Protocol().tile);

export interface MapOptions {
  readonly container: HTMLElement;
  readonly city: City;
  readonly areas: readonly Area[];
  readonly words: Words;
  readonly theme: Theme;
  /** 1 at a desk. */
  readonly scale: number;
  readonly note_px: number;
  readonly plate_px: number;
  readonly platesMax: number;
  readonly camera: Camera | Bbox;
  /** Of a bbox: what panels cover on the left. */
  readonly left_px?: number;
  readonly interactive: boolean;
  /** With it the map has buttons; this is what the third does. */
  readonly home?: () => void;
  /** Panels over the map that plates must not hide behind, in the container's pixels. */
  readonly blocked?: () => readonly Box[];
}

export type Picked =
  | { readonly kind: 'incident'; readonly incident: Incident }
  | { readonly kind: 'bubble'; readonly bubble: Bubble }
  | { readonly kind: 'hotspot'; readonly hotspot: Hotspot }
  | { readonly kind: 'nothing' };

export interface Viewport {
  readonly bbox: Bbox;
  readonly zoom: number;
}

/** At a desk: what a plate leaves free round a bubble, and round the sign on its rim. */
const PLATE_GAP_PX = 6;

/** Between a bubble and the ring that marks it: outside the sign on its rim. */
const SELECTED_GAP_PX = 10;

/** The map's boxes reach 2,047 pixels to either side of their middle. */
const CLEAR_PX_MAX = 4080;

const NOTHING: ReadonlyMap<string, never> = new Map<string, never>();

export class PantauMap {
  readonly gl: maplibregl.Map;
  private readonly marks: MarkStore;
  private readonly effects: Effects;
  private theme: Theme;
  private items: ReadonlyMap<string, MapItem> = NOTHING;
  private hotspots: ReadonlyMap<string, Hotspot> = NOTHING;
  /** Of the cells that the items are counted by. */
  private level = 0;
  private bubbles: ReadonlyMap<string, Bubble> = NOTHING;
  private readonly drawn = new Map<string, Drawn>();
  /** What was set before the style was there. */
  private readonly early = new Map<string, Drawn>();
  private slots: ReadonlyMap<string, string> = NOTHING;
  private bubbleZoom = 0;
  private frame: number | null = null;
  private ready = false;

  static async create(options: MapOptions): Promise<PantauMap> {
    // MapLibre draws its text with the page's fonts, so they must be there first.
    await Promise.all(['400', '600', '700'].map((weight) => document.fonts.load(`${weight} 16px "${MAP_FONT}"`)));
    return new PantauMap(options);
  }

  private constructor(private readonly options: MapOptions) {
    const { city, container, camera, scale, theme } = options;
    this.theme = theme;
    container.style.setProperty('--mark-scale', String(scale));
    this.gl = new maplibregl.Map({
      container,
      style: buildStyle(city, { theme, scale, note_px: options.note_px }, location.origin),
      ...('centre' in camera
        ? { center: [...camera.centre] as [number, number], zoom: camera.zoom }
        : { bounds: [...camera] as [number, number, number, number], fitBoundsOptions: { padding: { top: 24 * scale, right: 24 * scale, bottom: 24 * scale, left: 24 * scale + (options.left_px ?? 0) } } }),
      minZoom: city.zoom.min,
      maxZoom: city.zoom.max,
      interactive: options.interactive,
      attributionControl: false,
      locale: {
        'Map.Title': options.words.t('map'),
        'CooperativeGesturesHandler.WindowsHelpText': options.words.t('map.hint.ctrl'),
        'CooperativeGesturesHandler.MacHelpText': options.words.t('map.hint.cmd'),
        'CooperativeGesturesHandler.MobileHelpText': options.words.t('map.hint.touch'),
      },
      dragRotate: false,
      pitchWithRotate: false,
      touchPitch: false,
      fadeDuration: 0,
      renderWorldCopies: true,
    });
    this.gl.touchZoomRotate.disableRotation();
    this.gl.keyboard.disableRotation();
    this.marks = new MarkStore(this.gl, { city, words: options.words, scale, plate_px: options.plate_px, ratio: devicePixelRatio });
    this.effects = new Effects(this.gl, scale);
    addScale(this.gl, options.words, scale);
    container.style.setProperty('--map-note', `${options.note_px}px`);
    if (options.home !== undefined) addButtons(this.gl, options.words, options.home);
    this.gl.on('style.load', () => {
      this.marks.addGroundMarks(PALETTES[this.theme], options.note_px);
      // Names come with the ground, long before the data.
      this.put(SOURCE.clear, this.clearings(this.panels()));
    });
    this.gl.on('load', () => {
      this.ready = true;
      for (const [source, next] of this.early) this.update(source, next);
      if (this.theme !== theme) this.paint();
      this.setAreas(options.areas);
      this.redraw();
    });
    this.gl.on('zoom', () => {
      if (Math.abs(this.gl.getZoom() - this.bubbleZoom) > 0.2) this.redraw();
    });
    this.gl.on('mousemove', (event) => this.point(this.pickAt(event.point)));
    this.gl.on('mouseout', () => this.point({ kind: 'nothing' }));
    this.gl.on('zoomstart', () => this.gl.getLayer('leaders') && this.gl.setPaintProperty('leaders', 'line-opacity', 0));
    this.gl.on('moveend', () => {
      if (!this.ready) return;
      this.gl.setPaintProperty('leaders', 'line-opacity', 1);
      this.redraw();
    });
  }

  /** What to show from now on. With `cause` delta, what came in pulses and what went fades. */
  show(view: View, cause: 'snapshot' | 'delta'): void {
    const before = this.items;
    this.items = view.items;
    this.hotspots = view.hotspots;
    this.level = view.level;
    if (!this.ready) return;
    // A page in the background draws nothing, perhaps for days.
    if (cause === 'delta') this.rising = [...this.rising, ...risen(before, view.items, view.level)].slice(-EFFECTS_MAX);
    this.fading = cause === 'delta';
    this.frame ??= requestAnimationFrame(() => this.redraw());
  }

  private fading = false;
  /** Where something came in since the last drawing. */
  private rising: LngLat[] = [];

  /** Panels over the map came or went: plates look for their places anew. */
  relayout(): void {
    this.frame ??= requestAnimationFrame(() => this.redraw());
  }

  /** Draws attention to one place, once. */
  pulse(at: LngLat): void {
    this.effects.pulse(at, INCIDENT_R_PX * this.options.scale);
  }

  /** The area that the subscription should cover: a little more than what is seen. */
  viewport(): Viewport {
    const zoom = Math.max(0, Math.min(20, Math.floor(this.gl.getZoom() + 1e-6 - Math.log2(this.options.scale))));
    return { bbox: widened(this.seen(), this.gl.getZoom()), zoom };
  }

  /** Calls back when the seen area is no longer covered by what was asked for, or its zoom is another. */
  onViewport(asked: () => Viewport, then: (viewport: Viewport) => void): void {
    this.gl.on('moveend', () => {
      const next = this.viewport();
      if (next.zoom !== asked().zoom || !covers(asked().bbox, this.seen())) then(next);
    });
  }

  onPick(then: (picked: Picked) => void): void {
    this.picks = true;
    this.gl.on('click', (event) => then(this.pickAt(event.point)));
  }

  private picks = false;

  /** What lies beneath the pointer says what it is and what stands behind it. */
  private point(picked: Picked): void {
    const canvas = this.gl.getCanvas();
    canvas.style.cursor = this.picks && picked.kind !== 'nothing' ? 'pointer' : '';
    const said = sayPicked(picked, this.options.city.categories, this.options.words);
    if (canvas.title !== said) canvas.title = said;
  }

  /** Outlines what a responder chose: areas or a drawn box. */
  choose(geometries: readonly GeoJSON.Geometry[]): void {
    this.update(
      SOURCE.chosen,
      new Map(geometries.map((geometry, n) => [`chosen-${n}`, { type: 'Feature', id: `chosen-${n}`, geometry, properties: { id: `chosen-${n}` } }])),
    );
  }

  /** Where the reader stands; null takes the mark away. */
  setHere(at: LngLat | null): void {
    this.update(SOURCE.here, at === null ? NOTHING : new Map([['here', pointFeature('here', at, {})]]));
  }

  /** Marks an incident, or the bubble that it is part of, and another one to compare; null takes the mark away. The camera stays. */
  select(incident: Incident | null, other: Incident | null = null): void {
    if (isSame(incident, this.selected) && isSame(other, this.compared)) return;
    [this.selected, this.compared] = [incident, other];
    this.drawSelected();
  }

  private selected: Incident | null = null;
  private compared: Incident | null = null;

  fit(bbox: Bbox, padding_px: number | maplibregl.PaddingOptions, zoomMax = 16): void {
    const still = matchMedia('(prefers-reduced-motion: reduce)').matches;
    this.gl.fitBounds([...bbox] as [number, number, number, number], { padding: padding_px, maxZoom: zoomMax, animate: !still, duration: 700 });
  }

  /** Back to where a page with nothing chosen starts. */
  goHome(bottom_px = 0): void {
    const { clientWidth, clientHeight } = this.gl.getContainer();
    const { centre, zoom } = startCamera(this.options.city, clientWidth, clientHeight - bottom_px);
    const animate = !matchMedia('(prefers-reduced-motion: reduce)').matches;
    this.gl.easeTo({ center: [...centre] as [number, number], zoom, padding: { top: 0, left: 0, right: 0, bottom: bottom_px }, animate });
  }

  fitMembers(bubble: Bubble): void {
    const box = boundsOf(bubble.members.map((member) => ({ type: 'Point', coordinates: [...member.at] })));
    if (box === null) return;
    const next = Math.max(this.gl.getZoom() + 1.5, ...bubble.members.map((m) => (m.kind === 'cluster' ? (m.expandZoom ?? 0) : 0)));
    if (bubble.members.length === 1) this.gl.easeTo({ center: [...bubble.at] as [number, number], zoom: Math.min(next, this.options.city.zoom.max) });
    else this.fit(box, 80, Math.min(this.options.city.zoom.max, this.gl.getZoom() + 3));
  }

  setTheme(theme: Theme): void {
    if (theme === this.theme) return;
    this.theme = theme;
    if (!this.ready) return;
    this.paint();
    this.redraw();
  }

  destroy(): void {
    if (this.frame !== null) cancelAnimationFrame(this.frame);
    this.gl.remove();
  }

  private paint(): void {
    const { city, scale, note_px } = this.options;
    for (const { layer, property, value } of paintsOf(city, { theme: this.theme, scale, note_px })) {
      this.gl.setPaintProperty(layer, property as 'fill-color', value as string);
    }
    this.marks.addGroundMarks(PALETTES[this.theme], note_px);
  }

  private seen(): Bbox {
    const b = this.gl.getBounds();
    return [b.getWest(), Math.max(-85, b.getSouth()), b.getEast(), Math.min(85, b.getNorth())];
  }

  private pickAt(point: maplibregl.Point): Picked {
    if (!this.ready) return { kind: 'nothing' };
    const reach = 6;
    const [hit] = this.gl.queryRenderedFeatures(
      [
        [point.x - reach, point.y - reach],
        [point.x + reach, point.y + reach],
      ],
      { layers: ['plates', 'items'] },
    );
    const bubble = hit && hit.layer.id === 'items' ? this.bubbles.get(String(hit.properties.id)) : undefined;
    if (bubble?.incident) return { kind: 'incident', incident: bubble.incident };
    if (bubble) return { kind: 'bubble', bubble };
    const area = hit ?? this.gl.queryRenderedFeatures(point, { layers: ['hotspot-fill', 'beacons'] })[0];
    const hotspot = area ? this.hotspots.get(String(area.properties.hotspot)) : undefined;
    return hotspot ? { kind: 'hotspot', hotspot } : { kind: 'nothing' };
  }

  private redraw(): void {
    this.frame = null;
    if (!this.ready) return;
    const zoom = this.gl.getZoom();
    const before = zoom === this.bubbleZoom ? [...this.bubbles.values()] : [];
    this.bubbleZoom = zoom;
    const ranked = rankHotspots(this.hotspots.values());
    this.update(SOURCE.hotspots, hotspotFeatures(ranked, PALETTES[this.theme]));
    const beacon = (r_px: number, strong: boolean, colour: string): string => this.marks.beacon(r_px, strong, colour);
    this.update(SOURCE.beacons, beaconFeatures(ranked, PALETTES[this.theme], this.bubbleZoom, this.options.scale, beacon));
    this.drawBubbles(before);
    this.drawSelected();
    this.pulseRisen();
    const panels = this.panels();
    this.drawPlates(ranked.slice(0, this.options.platesMax), panels);
    this.put(SOURCE.clear, this.clearings(panels));
    this.marks.sweep();
  }

  /** `before`: what is drawn already, at this zoom. */
  private drawBubbles(before: readonly Bubble[]): void {
    const { city, scale } = this.options;
    const next = new Map(toBubbles(this.items.values(), this.bubbleZoom, scale, before).map((bubble) => [bubble.id, bubble]));
    if (this.fading) this.fadeGone(next);
    this.fading = false;
    this.bubbles = next;
    // How many incidents the map shows, for tests and whoever checks the totals.
    this.gl.getContainer().dataset.shown = String([...next.values()].reduce((sum, { count }) => sum + count, 0));
    const features = new Map<string, DrawnFeature>();
    for (const bubble of next.values()) {
      const image = this.marks.bubble(bubble, this.theme, city.categories);
      features.set(bubble.id, pointFeature(bubble.id, bubble.at, { image, order: bubble.count }));
    }
    this.update(SOURCE.items, features);
  }

  private drawSelected(): void {
    const marks: readonly (readonly [string, Incident | null])[] = [['selected', this.selected], ['compared', this.compared]];
    this.update(SOURCE.selected, new Map(marks.flatMap(([id, incident]) => (incident === null ? [] : [[id, this.selectedMark(id, incident)]]))));
  }

  private selectedMark(id: string, incident: Incident): DrawnFeature {
    const bubble = bubbleWith(this.bubbles.values(), incident, this.level);
    const { scale } = this.options;
    // Without a bubble it is closed, filtered away or out of sight: its place is marked all the same.
    const r_px = (bubble?.r_px ?? INCIDENT_R_PX * scale) + SELECTED_GAP_PX * scale;
    return pointFeature(id, bubble?.at ?? incident.at, { r_px, compared: id === 'compared' });
  }

  private pulseRisen(): void {
    for (const at of this.rising.splice(0)) {
      const bubble = bubbleOf(this.bubbles.values(), at);
      if (bubble !== undefined) this.effects.pulse(bubble.at, bubble.r_px);
    }
  }

  /** A bubble that is gone and left nothing in its place fades; one that was merged into its neighbour does not. */
  private fadeGone(next: ReadonlyMap<string, Bubble>): void {
    const members = new Set([...next.values()].flatMap((bubble) => bubble.members.map((member) => member.id)));
    for (const [id, bubble] of this.bubbles) {
      if (next.has(id) || bubble.incident === null || members.has(bubble.incident.id)) continue;
      if (hasJoined(bubble.incident, this.items, this.level)) continue;
      this.effects.ghost(bubble.at, this.incidentMark(bubble));
    }
  }

  private incidentMark(bubble: Bubble): Mark {
    return this.marks.drawn(this.marks.bubble(bubble, this.theme, this.options.city.categories));
  }

  private drawPlates(ranked: readonly RankedHotspot[], panels: readonly Box[]): void {
    const canvas = this.gl.getContainer();
    const scale = this.options.scale;
    const margin = 8 * scale;
    const project = ([lng, lat]: readonly [number, number]): { x: number; y: number } => this.gl.project([lng, lat]);
    const screenBox = (bbox: Bbox): Box => {
      const a = project([bbox[0], bbox[3]]);
      const b = project([bbox[2], bbox[1]]);
      return { x: a.x, y: a.y, w: b.x - a.x, h: b.y - a.y };
    };
    const visible = ranked.filter(({ hotspot }) => this.gl.getBounds().contains([...hotspot.centroid] as [number, number]));
    const images = new Map(visible.map((one) => [one.hotspot.id, this.marks.plates(one, this.theme)]));
    const requests = visible.map(({ hotspot, rank }) => {
      const sizes = (images.get(hotspot.id) ?? []).map((image) => this.marks.drawn(image));
      const shape = atLeast(screenBox(boundsOfOne(hotspot.outline) ?? [0, 0, 0, 0]), 2 * beaconRadius_px(rank, scale));
      return { id: hotspot.id, shape, sizes };
    });
    const bubbles = [...this.bubbles.values()].map(({ at, r_px }) => ({ ...project(at), r: r_px }));
    const placed = placePlates(
      requests,
      {
        frame: { x: margin, y: margin, w: canvas.clientWidth - 2 * margin, h: canvas.clientHeight - 2 * margin },
        blocked: panels,
        bubbles,
        gap: PLATE_GAP_PX * scale,
      },
      this.slots,
    );
    this.slots = new Map(placed.map(({ id, slot }) => [id, slot]));
    const { plates, leaders } = plateFeatures(placed, visible, images, PALETTES[this.theme], ([x, y]) => this.gl.unproject([x, y]).toArray());
    this.update(SOURCE.leaders, leaders);
    this.update(SOURCE.plates, plates);
  }

  /** What lies over the map: the page's own, the scale and the buttons. */
  private panels(): Box[] {
    const own = this.gl.getContainer().querySelectorAll<HTMLElement>('.map-scale, .map-buttons');
    return [...(this.options.blocked?.() ?? []), ...[...own].map(boxOf)].filter(({ w, h }) => w > 0 && h > 0);
  }

  /** Keeps names off the edges and off the panels. */
  private clearings(panels: readonly Box[]): Drawn {
    const { clientWidth: w, clientHeight: h } = this.gl.getContainer();
    const boxes = [...edgesOf({ x: 0, y: 0, w, h }, CLEAR_STEP_PX), ...panels].flatMap((box) => cutUp(box, CLEAR_PX_MAX));
    const features = boxes.map((box, n) => {
      const at = this.gl.unproject([...centreOf(box)]).toArray();
      return pointFeature(`clear-${n}`, at, { image: this.marks.clear(box.w, box.h) });
    });
    return new Map(features.map((feature) => [feature.id, feature]));
  }

  private setAreas(areas: readonly Area[]): void {
    const shapes = new Map<string, DrawnFeature>();
    const names = new Map<string, DrawnFeature>();
    for (const { code, name, level, geometry, label } of areas) {
      shapes.set(code, { type: 'Feature', id: code, geometry, properties: { id: code, level } });
      if (level !== 'city') names.set(code, pointFeature(code, label, { name, level }));
    }
    // An island that is a district, too, is named once: as the district.
    const districts = areas.filter(({ level }) => level === 'district').flatMap(({ name }) => [name, `Pulau ${name}`]);
    if (this.gl.getLayer('marks')) this.gl.setFilter('marks', ['!', ['all', ['==', ['get', 'kind'], 'island'], ['in', ['get', 'name'], ['literal', districts]]]]);
    this.update(SOURCE.areas, shapes);
    this.update(SOURCE.areaNames, names);
  }

  private update(source: string, next: Drawn): void {
    if (!this.ready) {
      this.early.set(source, next);
      return;
    }
    this.put(source, next);
  }

  private put(source: string, next: Drawn): void {
    const diff = toSourceDiff(this.drawn.get(source) ?? NOTHING, next);
    this.drawn.set(source, next);
    if (diff !== null) this.gl.getSource<maplibregl.GeoJSONSource>(source)?.updateData(diff);
  }
}

function pointFeature(id: string, at: LngLat, properties: DrawnFeature['properties']): DrawnFeature {
  return { type: 'Feature', id, geometry: { type: 'Point', coordinates: [...at] }, properties: { id, ...properties } };
}

/** As far as its mark is concerned. */
function isSame(a: Incident | null, b: Incident | null): boolean {
  return a?.id === b?.id && a?.at[0] === b?.at[0] && a?.at[1] === b?.at[1];
}
