/**
 * The alarms that were shown: after a resume one may come twice, and nobody shall be called twice to the same.
 */

/** More than a node remembers for whoever comes back, but for a moment in which more arise at once. */
const SHOWN_MAX = 4_096;

export class ShownAlarms {
  /** Oldest first. */
  private readonly keys = new Set<string>();

  /** Whether an alarm was not shown yet; from now on it was. Another `epoch` counts anew, so its ids mean others. */
  isNew(epoch: string, id: string): boolean {
    const key = `${epoch} ${id}`;
    if (this.keys.has(key)) return false;
    this.keys.add(key);
    if (this.keys.size > SHOWN_MAX) {
      const [oldest] = this.keys;
      if (oldest !== undefined) this.keys.delete(oldest);
    }
    return true;
  }
}
