import { expect, it, vi } from 'vitest';
import type { City } from '../feed/city';
import { makeWords } from '../i18n';
import { knownTo } from '../ui/known';
import { readChoice, toFeedFilter, toggledArea, toQuery, writeChoice } from './choice';
import { direction, distance_m, sayWay } from './distance';
import { actionsFor } from './details';
import { Entrances } from './entrances';
import { watchPlace } from './position';

it('the address keeps the choice, and everything else that stands in it', () => {
  const address = 'lang=en&area=82.71.02,82.71.03.1001&category=water&status=new,verified&contrast=1&incident=i:7';
  const choice = readChoice(new URLSearchParams(address));
  expect(choice).toEqual({ areas: ['82.71.02', '82.71.03.1001'], box: null, categories: ['water'], statuses: ['new', 'verified'], contrast: true, incident: 'i:7' });
  expect(readChoice(new URLSearchParams(writeChoice(new URLSearchParams(address), choice)))).toEqual(choice);
  expect(writeChoice(new URLSearchParams(address), choice)).toContain('lang=en');
});

it('a box stands instead of areas, in both forms that the server takes', () => {
  const choice = readChoice(new URLSearchParams('area=82.71.02&box=127.3,0.7,127.4,0.8'));
  expect(choice.areas).toEqual([]);
  expect(toFeedFilter(choice)).toEqual({ within: { type: 'Polygon', coordinates: [[[127.3, 0.7], [127.4, 0.7], [127.4, 0.8], [127.3, 0.8], [127.3, 0.7]]] } });
  expect(JSON.parse(String(toQuery(choice).within))).toEqual(toFeedFilter(choice).within);
});

it('what is no status and no box is passed over', () => {
  const choice = readChoice(new URLSearchParams('status=lost&box=1,2,3'));
  expect(toFeedFilter(choice)).toEqual({});
});

it('an address that is older than the city pack, or names no incident, is no dead end', () => {
  const city = { categories: [{ key: 'water' }], agencies: [] } as unknown as City;
  const choice = readChoice(new URLSearchParams('area=82.71.02,99.99&category=water,fire&incident=../accounts'));
  expect(knownTo(city, [{ code: '82.71.02' }], choice)).toEqual({ areas: ['82.71.02'], box: null, categories: ['water'], statuses: [], contrast: false, incident: null });
});

it('a district stands for its villages, however the codes of a city are made', () => {
  const [north, inside, other] = [{ code: 'utara', parent: null }, { code: 'K1', parent: 'utara' }, { code: 'K2', parent: 'selatan' }];
  const areas = [north, inside, other];
  let codes = toggledArea(toggledArea(new Set(), inside, areas), other, areas);
  codes = toggledArea(codes, north, areas);
  expect([...codes].sort()).toEqual(['K2', 'utara']);
  codes = toggledArea(codes, inside, areas);
  expect([...codes].sort()).toEqual(['K1', 'K2']);
  expect([...toggledArea(codes, inside, areas)]).toEqual(['K2']);
});

it('says how far and which way', () => {
  const words = makeWords('id', 'Asia/Jayapura', 'WIT');
  expect(distance_m([0, 0], [0, 1])).toBeCloseTo(111_195, 0);
  expect(direction([127.38, 0.79], [127.38, 0.8])).toBe('n');
  expect(direction([127.38, 0.79], [127.37, 0.78])).toBe('sw');
  expect(direction([179.99, 0], [-179.99, 0])).toBe('e');
  expect(sayWay(words, [127.38, 0.79], [127.382, 0.792])).toBe('310 m timur laut');
  expect(sayWay(words, [127.38, 0.79], [127.38, 0.7666])).toBe('2,6 km selatan');
});

it('what enters is new for a while; what was there at first is not', () => {
  const entrances = new Entrances(60_000);
  expect(entrances.see(['a', 'b'], 0)).toEqual([]);
  expect(entrances.see(['a', 'b', 'c'], 1_000)).toEqual(['c']);
  expect(entrances.isNew('c', 30_000)).toBe(true);
  expect(entrances.isNew('a', 30_000)).toBe(false);
  expect(entrances.isNew('c', 62_000)).toBe(false);
  expect(entrances.see(['a'], 2_000)).toEqual([]);
  expect(entrances.see(['a', 'b'], 3_000)).toEqual(['b']);
  entrances.reset();
  expect(entrances.see(['z'], 4_000)).toEqual([]);
});

it('offers only the steps that whoever looks may take', () => {
  const operator = { verify: 'all', reject: 'all', start: 'all', resolve: 'all' } as const;
  const agency = { start: 'own', resolve: 'own', photo: 'own' } as const;
  expect(actionsFor('new', operator)).toEqual(['verify', 'reject']);
  expect([actionsFor('new', agency), actionsFor('verified', agency), actionsFor('in_progress', agency)]).toEqual([[], ['start', 'resolve'], ['resolve']]);
  expect(actionsFor('verified', {})).toEqual([]);
});

it('distances end when they are put away, and a place that is not known just now is not a forbidden one', async () => {
  let told: { found: PositionCallback; failed: PositionErrorCallback } | null = null;
  const source = {
    watchPosition: (found: PositionCallback, failed: PositionErrorCallback) => ((told = { found, failed }), 7),
    clearWatch: vi.fn(() => (told = null)),
  } as unknown as Geolocation;
  const [found, failed] = [vi.fn(), vi.fn()];
  const stop = watchPlace(source, found, failed);
  const at = { coords: { longitude: 127.38, latitude: 0.79 } } as GeolocationPosition;
  (told as unknown as { found: PositionCallback }).found(at);
  expect(found).toHaveBeenCalledWith([127.38, 0.79]);
  for (const code of [1, 2, 3]) (told as unknown as { failed: PositionErrorCallback }).failed({ code } as GeolocationPositionError);
  expect(failed.mock.calls).toEqual([['denied'], ['lost'], ['lost']]);
  stop();
  expect(source.clearWatch).toHaveBeenCalledWith(7);
  watchPlace(undefined, found, failed);
  await Promise.resolve();
  expect(failed.mock.calls.slice(3)).toEqual([['denied']]);
});
