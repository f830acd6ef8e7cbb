import { expect, it } from 'vitest';
import { ShownAlarms } from './shown';

it('knows what was shown, by history, and forgets the oldest', () => {
  const shown = new ShownAlarms();
  expect([shown.isNew('e1', 'a:1'), shown.isNew('e1', 'a:1'), shown.isNew('e2', 'a:1'), shown.isNew('e1', 'a:2')]).toEqual([true, false, true, true]);
  for (let n = 0; n < 4_094; n++) expect(shown.isNew('e1', `b:${n}`)).toBe(true);
  expect(shown.isNew('e2', 'a:1')).toBe(false);
  expect(shown.isNew('e1', 'a:1')).toBe(true);
});
