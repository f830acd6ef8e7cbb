/**
 * The public map for an iframe: a map, three filters, a legend, the source. No framework, no text of anybody, no
 * cookies, no storage; everything is asked for with the public projection.
 */
import { serverNow, type ServerClock } from '../feed/clock';
import type { City } from '../feed/city';
import type { View } from '../feed/fold';
import type { Problem } from '../feed/protocol';
import { LiveFeed, liveUrl, type FeedFilter, type Phase } from '../feed/live';
import type { Words } from '../i18n';
import { boxOf } from '../map/boxes';
import { boundsOf, startCamera } from '../map/camera';
import { PantauMap, type Viewport } from '../map/map';
import '../style/fonts.css';
import '../style/tokens.css';
import { behindSays } from '../ui/behind';
import { misnamed } from '../ui/misnamed';
import { listOf, startPage, themeOf, wordsWithoutCity } from '../ui/start';
import './embed.css';
import { fullAddress, readEmbedChoice, type EmbedChoice } from './choice';
import { el } from './el';
import { makeFilters } from './filters';
import { makeLegend } from './legend';

const PUBLIC = { projection: 'public' } as const;
const RELOAD_SPREAD_MS = 60_000;

async function main(app: HTMLElement): Promise<void> {
  const query = new URLSearchParams(location.search);
  const theme = themeOf(query, 'day');
  const early = wordsWithoutCity();
  const { city, areas, words } = await startPage(PUBLIC, () => {
    app.replaceChildren(el('p', { class: 'trouble', role: 'alert' }, el('b', {}, early.t('error.load')), early.t('error.load.safe')));
  });
  let choice = readEmbedChoice(query, city, areas);

  const stage = el('div', { class: 'map', role: 'region', 'aria-label': words.t('map') });
  const legend = makeLegend(city, words, theme);
  const badge = el('span', { class: 'state', role: 'status' });
  const empty = el('p', { class: 'empty', role: 'status', hidden: '' });
  const behind = el('p', { class: 'behind', 'data-behind': '', role: 'status', hidden: '' });
  const source = el('p', { class: 'source' }, city.attribution);
  const full = el('a', { href: fullAddress(query, choice), target: '_blank', rel: 'noopener' }, words.t('embed.full'));
  const filters = makeFilters(city, areas, words, choice, (next) => choose(next));
  const faults = misnamed(city, areas, words, { areas: listOf(query, 'area') ?? [], categories: listOf(query, 'category') ?? [] });
  app.replaceChildren(
    filters,
    ...(faults.length === 0 ? [] : [el('div', { class: 'misnamed', role: 'alert', tabindex: '0' }, ...faults.map(({ what, instead }) => el('p', {}, el('b', {}, what), ` ${instead}`)))]),
    el('main', {}, stage, empty, behind, source),
    legend.element,
    el('footer', {}, badge, el('span', { class: 'note' }, words.t('embed.note')), full),
  );

  const shapes = (of: EmbedChoice): GeoJSON.Geometry[] => areas.filter(({ code }) => of.areas.includes(code)).map(({ geometry }) => geometry);
  const map: PantauMap = await PantauMap.create({
    container: stage,
    city,
    areas,
    words,
    theme,
    scale: 1,
    note_px: 12,
    plate_px: 14,
    platesMax: 3,
    camera: boundsOf(shapes(choice)) ?? startCamera(city, stage.clientWidth, stage.clientHeight),
    interactive: true,
    home: () => map.goHome(),
    blocked: () => [empty, behind, source].map(boxOf),
  });
  map.gl.cooperativeGestures.enable();
  map.choose(shapes(choice));
  map.onPick((picked) => {
    if (picked.kind === 'bubble') map.fitMembers(picked.bubble);
    if (picked.kind === 'hotspot') map.fit(boundsOf([picked.hotspot.outline]) ?? [0, 0, 0, 0], 60);
  });

  let clock: ServerClock | null = null;
  let lastFrameMs: number | null = null;
  let phase: Phase = 'connecting';
  const asked: { behind: boolean; problem: Problem | null; view: View | null } = { behind: false, problem: null, view: null };
  const sayBehind = (): void => {
    const says = behindSays(words, asked);
    behind.hidden = says === null;
    behind.textContent = says ?? '';
    map.relayout();
  };
  const say = (): void => {
    badge.dataset.phase = phase;
    badge.textContent = stateText(words, city, phase, clock, lastFrameMs);
  };
  const feed = new LiveFeed(liveUrl('public'), {
    view: (view: View, cause) => {
      asked.view = view;
      map.show(view, cause);
      legend.count(view.stats);
      const says = words.t(choice.areas.length + choice.categories.length > 0 ? 'embed.empty.choice' : 'embed.empty');
      if (empty.textContent !== says) empty.textContent = says;
      empty.hidden = view.stats === null || view.stats.total > 0;
    },
    problem: (problem) => {
      asked.problem = problem;
      sayBehind();
    },
    behind: (now) => {
      asked.behind = now;
      sayBehind();
    },
    phase: (next) => {
      phase = next;
      say();
    },
    clock: (next) => (clock = next),
    frame: () => {
      if (clock !== null) lastFrameMs = serverNow(clock, performance.now());
    },
    newBuild: () => setTimeout(() => location.reload(), Math.random() * RELOAD_SPREAD_MS),
  });
  let viewport: Viewport = map.viewport();
  feed.start({ ...viewport, filter: toFilter(choice) });
  map.onViewport(
    () => viewport,
    (next) => {
      viewport = next;
      feed.subscribe({ ...viewport, filter: toFilter(choice) });
    },
  );
  setInterval(say, 1000);

  function choose(next: EmbedChoice): void {
    const moved = next.areas.join() !== choice.areas.join();
    choice = next;
    full.href = fullAddress(query, choice);
    feed.subscribe({ ...viewport, filter: toFilter(choice) });
    if (!moved) return;
    map.choose(shapes(choice));
    const bbox = boundsOf(shapes(choice));
    if (bbox !== null) map.fit(bbox, 32);
    else map.goHome();
  }
}

/** Nothing unverified is ever asked for, and the server would not tell. */
function toFilter(choice: EmbedChoice): FeedFilter {
  return {
    ...(choice.areas.length > 0 && { area: choice.areas }),
    ...(choice.categories.length > 0 && { category: choice.categories }),
    status: choice.resolved ? ['verified', 'in_progress', 'resolved'] : ['verified', 'in_progress'],
  };
}

function stateText(words: Words, city: City, phase: Phase, clock: ServerClock | null, lastFrameMs: number | null): string {
  if (phase === 'live' && clock !== null) {
    return `${words.t(city.mode === 'replay' ? 'replay' : 'phase.live')} ${words.time(serverNow(clock, performance.now()))} ${city.timeZoneLabel}`;
  }
  if (phase === 'connecting' || lastFrameMs === null) return words.t('phase.connecting');
  return words.t('phase.stale', { time: words.time(lastFrameMs) });
}

const app = document.getElementById('app');
if (app === null) throw new Error('the page has no #app');
void main(app);
