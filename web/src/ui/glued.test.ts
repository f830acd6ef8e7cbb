import { expect, it } from 'vitest';
import { glued } from './glued';

it('keeps a number with what it counts, and a time with what leads to it', () => {
  const lines = (text: string): string => glued(text).replaceAll('\u00a0', '_');
  expect(lines('14 laporan dari 9 pelapor pukul 13.06')).toBe('14_laporan dari 9_pelapor pukul_13.06');
  expect(lines('62 reports from 41 reporters between 14:05 and 14:45; usually 9')).toBe('62_reports from 41_reporters between_14:05 and_14:45; usually 9');
  expect(lines('1.240 laporan, 1,240 reports')).toBe('1.240_laporan, 1,240_reports');
  expect(lines('4 laporan dari 4 pelapor, 28 Nov 13.06')).toBe('4_laporan dari 4_pelapor, 28_Nov_13.06');
});
