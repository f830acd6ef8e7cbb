/** Which action undoes another one exactly: status, agency, clocks and counts as before. Pure. */
import type { Incident } from '../feed/protocol';
import { addressOf, bare, type CaseFile, type Sent } from './casefile';

export interface Opposite {
  /** Whose address it is sent to. */
  readonly id: string;
  /** Without its version: that is the one of the answer. */
  readonly sent: Sent;
}

/**
 * `before`: the incident as it was. `freshly`: its step began only just now, by one's own hand. `null`: nothing undoes
 * it exactly, so it must wait.
 */
export function opposite(sent: Sent, before: Incident, freshly = false): Opposite | null {
  const back = (more: Partial<Sent> & Pick<Sent, 'action'>, id = before.id): Opposite => ({ id, sent: { version: null, words: '', agency: null, ...more } });
  switch (sent.action) {
    case 'assign':
      return before.agency === null || (startsAnew(before) && !freshly) ? null : back({ action: 'assign', agency: before.agency });
    case 'merge': {
      const other = `i:${sent.other ?? ''}`;
      return sent.absorbs === true ? back({ action: 'split', other: bare(other) }) : back({ action: 'split', other: bare(before.id) }, other);
    }
    case 'split':
      // It was absorbed by this one, and is again.
      return back({ action: 'merge', other: sent.other ?? '', absorbs: true });
    case 'pause':
      return back({ action: 'resume' });
    case 'resume':
      return before.clock?.paused ? back({ action: 'pause', words: before.clock.paused.note }) : null;
    case 'check':
      return sent.step === undefined ? null : back({ action: 'check', step: sent.step, done: sent.done !== true });
    default:
      return null;
  }
}

/**
 * Whoever is given a verified incident gets the time to start work anew: neither what was late, nor who was told of it,
 * nor a pause comes back with the agency that had it before.
 */
function startsAnew({ status }: Incident): boolean {
  return status === 'verified';
}

/** The version that undoing goes with: of the incident that it is asked of, if the answer is about that one. */
export function versionFor(undo: Opposite, answer: CaseFile): number | null {
  return bare(answer.incident.id) === addressOf(undo.id, undo.sent) ? answer.incident.version : null;
}
