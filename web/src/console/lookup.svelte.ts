/** A look at what the reporters left of themselves: asked for with a reason, which the server writes down. */
import type { Problem } from '../feed/protocol';
import { problemOf } from '../ui/problem';

/** `refused`: the server will not, and says why. `network`: there was no answer. */
export interface LookupFault {
  readonly kind: 'refused' | 'network';
  readonly problem: Problem | null;
}

export class Lookup<T> {
  reason = $state('');
  /** It was asked for without a reason. */
  lacking = $state(false);
  asking = $state(false);
  found = $state.raw<T | null>(null);
  fault = $state.raw<LookupFault | null>(null);

  constructor(private readonly look: (reason: string) => Promise<T>) {}

  type(reason: string): void {
    this.reason = reason;
    this.lacking = false;
  }

  async ask(): Promise<void> {
    const reason = this.reason.trim();
    this.lacking = reason === '';
    if (this.lacking || this.asking) return;
    this.asking = true;
    this.fault = null;
    try {
      this.found = await this.look(reason);
    } catch (error) {
      const problem = problemOf(error);
      this.fault = { kind: problem === null ? 'network' : 'refused', problem };
    } finally {
      this.asking = false;
    }
  }
}
