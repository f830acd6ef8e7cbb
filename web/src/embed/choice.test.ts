import { expect, it } from 'vitest';
import { fullAddress, readEmbedChoice } from './choice';

const city = { categories: [{ key: 'water', name: { id: '', en: '' }, icon: '', colour: { dark: '', day: '' }, agency: null }] };
const areas = [{ code: '82.71.02' }];

it('takes what the city has and passes over the rest', () => {
  const query = new URLSearchParams('area=82.71.02,99&category=water,snow&status=resolved');
  expect(readEmbedChoice(query, city, areas)).toEqual({ areas: ['82.71.02'], categories: ['water'], resolved: true });
  expect(readEmbedChoice(new URLSearchParams(''), city, areas)).toEqual({ areas: [], categories: [], resolved: false });
});

it('the full map opens with the same choice and language', () => {
  const query = new URLSearchParams('lang=en&theme=dark');
  expect(fullAddress(query, { areas: ['82.71.02'], categories: ['water'], resolved: false })).toBe('/field?area=82.71.02&category=water&lang=en');
  expect(fullAddress(new URLSearchParams(''), { areas: [], categories: [], resolved: false })).toBe('/field');
});
