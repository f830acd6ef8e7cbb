/** The server's refusals in the reader's language: its own sentences are English, for whoever programs against it. Pure. */
import { ProblemError } from '../feed/http';
import type { Problem } from '../feed/protocol';
import type { Key, Words } from '../i18n';
import { problemId } from '../i18n/problem';

/** The stable name: the end of `type`. */
export function kindOf({ type }: Problem): string {
  return type.replace('/problems/', '');
}

/** What an answer said of itself; null: there was none. */
export function problemOf(error: unknown): Problem | null {
  return error instanceof ProblemError ? error.problem : null;
}

/** Why, to follow a colon. The server's own words stand only where this page has none for that kind. */
export function problemSays(words: Words, problem: Problem | null): string {
  if (problem === null) return words.t('problem.silent');
  const kind = kindOf(problem).replaceAll('.', '-');
  const fields = (problem.fields ?? []).map((field) => keyOf(`problem.field.${field}`)).filter((key) => key !== null);
  const named = keyOf(`problem.${kind}.fields`);
  if (named !== null && fields.length > 0) return words.t(named, { fields: [...new Set(fields)].map((key) => words.t(key)).join(', ') });
  const known = keyOf(`problem.${kind}`);
  if (known !== null) return words.t(known);
  const detail = problem.detail || problem.title;
  return detail === '' ? words.t('problem.silent') : words.t('problem.other', { detail });
}

const NONE: readonly string[] = ['problem.other', 'problem.silent'];

function keyOf(name: string): Key | null {
  return Object.hasOwn(problemId, name) && !NONE.includes(name) ? (name as Key) : null;
}

/** What of the incident as it was seen does not hold any more. */
const CHANGED: readonly string[] = ['version', 'transition', 'merged', 'not-merged', 'clock', 'incident-closed'];

/** Whether it was refused because somebody was faster. */
export function hasChanged(problem: Problem): boolean {
  return problem.status === 409 && CHANGED.includes(kindOf(problem));
}
