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
  const detail = problemSays(words, problem);
  if (problem.type === INVALID) return words.t('behind.refused', { detail });
  // Whoever reads it has nothing to try: the page does.
  return words.t('behind.why', { detail: detail.replace(words.t('behind.try'), '') });
}
