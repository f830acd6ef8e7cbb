/** Whether what was sent is in the incident's history: an answer that never came says nothing. Pure. */
import type { CaseFile, Sent, Step } from './casefile';

/** What was sent, or was to be. */
export interface Attempt {
  readonly sent: Sent;
  /** The highest number that whoever sent it had seen; 0 where none was told. */
  readonly seq: number;
  /** Instead of the number: when the incident had changed last, as it was seen; of the server's clock. */
  readonly afterMs?: number;
}

/** The number of the step that it became; null: it is not stored. `by`: whose step it would be. */
export function storedAt(file: CaseFile, { sent, seq, afterMs = 0 }: Attempt, by: string): number | null {
  if (sent.version !== null && file.incident.version === sent.version) return null;
  const step = file.steps.find((one) => one.of === null && one.seq > seq && one.atMs > afterMs && one.actor === by && is(one, sent));
  return step?.seq ?? null;
}

function is(step: Step, sent: Sent): boolean {
  const names: readonly string[] = sent.action === 'answer' ? ['answer', 'note'] : [sent.action];
  if (!names.includes(step.action) || step.note.trim() !== sent.words.trim()) return false;
  switch (sent.action) {
    case 'assign':
      return step.agency === sent.agency;
    case 'return':
      return step.suggested === sent.agency;
    case 'reject':
      return sent.disposition === undefined || step.disposition === sent.disposition;
    case 'check':
      return step.check !== null && step.check.key === sent.step && step.check.done === (sent.done === true);
    default:
      return true;
  }
}
