/** Which incidents came in after the responder began to look. No clock of its own. */
export class Entrances {
  private present: ReadonlySet<string> | null = null;
  private readonly enteredAt_ms = new Map<string, number>();

  constructor(private readonly newFor_ms: number) {}

  /** Takes the whole list as it is now; returns what was not in the one before. */
  see(ids: readonly string[], now_ms: number): string[] {
    const before = this.present;
    this.present = new Set(ids);
    if (before === null) return [];
    const entered = ids.filter((id) => !before.has(id));
    for (const id of entered) this.enteredAt_ms.set(id, now_ms);
    return entered;
  }

  isNew(id: string, now_ms: number): boolean {
    const entered = this.enteredAt_ms.get(id);
    return entered !== undefined && now_ms - entered < this.newFor_ms;
  }

  /** Another choice: nothing in it is new. */
  reset(): void {
    this.present = null;
    this.enteredAt_ms.clear();
  }
}
