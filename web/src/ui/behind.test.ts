import { expect, it } from 'vitest';
import { makeWords } from '../i18n';
import { behindSays } from './behind';

const words = makeWords('id', 'Asia/Jayapura', 'WIT');
const english = makeWords('en', 'Asia/Jayapura', 'WIT');
const problem = (kind: string) => ({ type: `/problems/${kind}`, title: 'Refused', detail: 'in English', status: 400 });
const shown = { behind: true, problem: null, view: {} };

it('says nothing where what is shown is what was asked for', () => {
  for (const refusal of [null, problem('internal')]) expect(behindSays(words, { behind: false, problem: refusal, view: {} })).toBeNull();
});

it('says that the view is the one before, why, and what goes on', () => {
  expect(behindSays(words, shown)).toBe('Yang terlihat masih tampilan sebelumnya, bukan daerah atau pilihan ini. Server belum menjawab; ditanyakan lagi otomatis.');
  expect(behindSays(english, shown)).toBe('What you see is still the view before, not this area or choice. The server has not answered yet; it is asked again by itself.');
  expect(behindSays(words, { ...shown, problem: problem('too-many-views') })).toMatch(/^Yang terlihat masih .* Server belum dapat menjawab: terlalu banyak layar dengan saringan berbeda\. Ditanyakan lagi otomatis\.$/);
  expect(behindSays(english, { ...shown, problem: problem('busy') })).toMatch(/ now: the server is busy\. It is asked again by itself\.$/);
});

it('promises nothing of what is refused for good, nor names a view before where there was none', () => {
  const refused = behindSays(words, { ...shown, problem: problem('invalid-message') });
  expect(refused).toMatch(/ Server menolak pilihan ini: /);
  expect(refused).not.toMatch(/otomatis/);
  expect(behindSays(words, { behind: true, problem: problem('internal'), view: null })).not.toMatch(/sebelumnya/);
});
