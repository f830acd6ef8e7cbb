import { expect, it } from 'vitest';
import type { Area, City } from '../feed/city';
import { makeWords } from '../i18n';
import { misnamed } from './misnamed';

const category = (key: string, id: string): object => ({ key, name: { id, en: id } });
const city = { categories: [category('water', 'Air bersih'), category('garbage', 'Sampah')], agencies: [], bounds: [126.5, 0.5, 127.5, 1.25] } as unknown as City;
const areas = [
  { code: '82.71.02', name: 'Ternate Selatan', level: 'district' },
  { code: '82.71.02.1001', name: 'Kalumata', level: 'village' },
] as unknown as readonly Area[];
const words = makeWords('id', 'Asia/Jayapura', 'WIT');
const told = (categories: string[], codes: string[], boxUnread = false): readonly string[] => misnamed(city, areas, words, { categories, areas: codes, boxUnread }).map(({ what, instead }) => `${what} ${instead}`);

it('an address that the city knows says nothing', () => {
  expect(told([], [])).toEqual([]);
  expect(told(['water'], ['82.71.02', '82.71.02.1001'])).toEqual([]);
});

it('says what is not there, what is shown instead, and what can be written', () => {
  expect(told(['banjir', 'water'], [])).toEqual(['Alamat halaman ini menyebut kategori yang tidak ada di kota ini: banjir. Yang tampil: Air bersih. Yang dapat ditulis: water, garbage.']);
  expect(told(['banjir'], ['99'])).toEqual([
    'Alamat halaman ini menyebut kategori yang tidak ada di kota ini: banjir. Yang tampil: semua kategori. Yang dapat ditulis: water, garbage.',
    'Alamat halaman ini menyebut wilayah yang tidak ada di kota ini: 99. Yang tampil: seluruh kota. Yang dapat ditulis: 82.71.02 Ternate Selatan.',
  ]);
  expect(told([], [], true)).toEqual(['Kotak peta (bbox) di alamat halaman ini tidak dapat dibaca. Yang tampil: seluruh kota. Tulis barat,selatan,timur,utara dalam derajat, misalnya 126.50,0.50,127.50,1.25.']);
});

it('an address may be of any length, and the sentence is not', () => {
  const [sentence] = told(['a'.repeat(5_000), 'b', 'c', 'd', 'e', 'f'], []);
  expect(sentence).toContain(`${'a'.repeat(32)}…, b, c, d, ….`);
});
