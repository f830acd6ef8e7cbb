/** How long to wait before the next try: doubling to a ceiling, with jitter so that ten thousand pages do not return as one. */
const FIRST_MS = 500;
const CEILING_MS = 15_000;

/** `attempt` counts from 0; `random` is in [0, 1). Between half and the whole of the step. */
export function retryDelay_ms(attempt: number, random: number): number {
  const step_ms = Math.min(CEILING_MS, FIRST_MS * 2 ** Math.min(attempt, 16));
  return step_ms / 2 + (step_ms / 2) * random;
}
