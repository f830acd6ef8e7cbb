import { describe, expect, it } from 'vitest';
import { decodeEntry, shiftBegan, shiftSince, type LogEntry } from './log';

const entry = (seq: number, kind: 'note' | 'handover', at = '2026-11-24T05:05:00Z'): LogEntry => decodeEntry({ seq, at, actor: 'ani', kind, text: 'x' });
const NOW = Date.parse('2026-11-24T06:00:00Z');

describe('the shift log', () => {
  it('tells notes from handovers, and takes what it does not know for a note', () => {
    expect(entry(1, 'handover').kind).toBe('handover');
    expect(decodeEntry({ seq: 1, at: '2026-11-24T05:05:00Z', actor: null, kind: 'weather', text: 'hujan' })).toMatchObject({ kind: 'note', actor: '' });
    expect(() => decodeEntry({ seq: 1, at: 'today', kind: 'note', text: 'x' })).toThrow('at');
  });

  it('a shift begins with the newest handover, else twelve hours ago', () => {
    const log = [entry(9, 'note'), entry(7, 'handover', '2026-11-24T00:00:00Z'), entry(3, 'handover', '2026-11-23T12:00:00Z')];
    expect(shiftBegan(log)?.seq).toBe(7);
    expect(new Date(shiftSince(log, NOW)).toISOString()).toBe('2026-11-24T00:00:00.000Z');
    expect(shiftBegan([entry(9, 'note')])).toBeNull();
    expect(new Date(shiftSince([], NOW)).toISOString()).toBe('2026-11-23T18:00:00.000Z');
  });
});
