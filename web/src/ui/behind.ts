/** What a page says while it shows the answer to an earlier question. Pure. */
import { INVALID } from '../feed/live';
import type { Problem } from '../feed/protocol';
import type { Words } from '../i18n';
import { problemSays } from './problem';

export interface Asked {
  readonly behind: boolean;
  /** Why the server refused the newest question, where it did. */
  readonly problem: Problem | null;
  /** Null: nothing was ever shown. */
  readonly view: object | null;
}

/** Null: what is shown is what was asked for. */
export function behindSays(words: Words, { behind, problem, view }: Asked): string | null {
  if (!behind) return null;
  return view === null ? whySays(words, problem) : `${words.t('behind.shown')} ${whySays(words, problem)}`;
}

function whySays(words: Words, problem: Problem | null): string {
  if (problem === null) return words.t('behind.waits');
  return words.t(problem.type === INVALID ? 'behind.refused' : 'behind.why', { detail: problemSays(words, problem) });
}
