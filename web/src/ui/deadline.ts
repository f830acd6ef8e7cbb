/** What the clock of an incident says, in plain words. Pure. */
import type { Clock } from '../feed/protocol';
import type { Key, Words } from '../i18n';

const STEPS: Readonly<Record<string, Key>> = {
  verify: 'clock.verify',
  assign: 'clock.assign',
  start: 'clock.start',
  resolve: 'clock.resolve',
};

/** `verify` as people call that step. */
export function clockStep(clock: Clock, words: Words): string {
  return words.t(STEPS[clock.step] ?? 'clock.other');
}

/** "sisa 12 mnt", "terlambat 2 jam", "dijeda". */
export function clockSays(clock: Clock, words: Words, nowMs: number): string {
  if (clock.state === 'paused') return words.t('clock.paused');
  if (clock.dueAtMs === null) return '';
  const left_ms = clock.dueAtMs - nowMs;
  // The state is the server's: between two of its beats the page does not call late what it does not.
  const key = clock.state === 'late' ? 'clock.late' : clock.state === 'soon' ? 'clock.soon' : 'clock.ok';
  const span_ms = Math.max(0, clock.state === 'late' ? -left_ms : left_ms);
  return words.t(key, { span: words.span(span_ms) });
}

/** Who was told that it is late; null: nobody but whoever looks at the queue. */
export function escalationSays(clock: Clock, words: Words): string | null {
  if (clock.escalation < 1) return null;
  return words.t(clock.escalation === 1 ? 'clock.up.1' : 'clock.up.2');
}
