/** What a paper reads: asked for again for ever while nobody answers, and not where the server will not. */
import { retryDelay_ms } from '../feed/backoff';
import { ProblemError } from '../feed/http';

export type ReadingFault = 'network' | 'refused';

export class Reading<T> {
  /** The last that was read stands until the next is here. */
  found = $state.raw<T | null>(null);
  fault = $state<ReadingFault | null>(null);
  /** Of what was refused. */
  refusal = $state.raw<ProblemError | null>(null);

  /** Counts what was asked for: a late answer to something earlier is dropped. */
  private round = 0;

  async load(ask: () => Promise<T>): Promise<void> {
    const mine = ++this.round;
    for (let attempt = 0; mine === this.round; attempt++) {
      try {
        const found = await ask();
        if (mine === this.round) [this.found, this.fault, this.refusal] = [found, null, null];
        return;
      } catch (error) {
        if (mine !== this.round) return;
        this.refusal = error instanceof ProblemError && error.problem.status < 500 ? error : null;
        this.fault = this.refusal === null ? 'network' : 'refused';
        if (this.refusal !== null) return;
        await new Promise((resolve) => setTimeout(resolve, retryDelay_ms(attempt, Math.random())));
      }
    }
  }
}
