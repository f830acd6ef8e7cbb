/**
 * Reads moments one after the other: while one is on its way the newest wish waits, and earlier ones are forgotten.
 * However fast the clock runs, the server is asked as fast as it answers.
 */
export class LatestReader<Wish, Answer> {
  private running = false;
  private next: Wish | null = null;

  constructor(
    private readonly read: (wish: Wish) => Promise<Answer>,
    private readonly then: (wish: Wish, answer: Answer) => void,
    private readonly failed: (error: unknown) => void,
  ) {}

  ask(wish: Wish): void {
    this.next = wish;
    if (!this.running) void this.run();
  }

  /** Whether an answer is waited for. */
  get isBusy(): boolean {
    return this.running;
  }

  private async run(): Promise<void> {
    this.running = true;
    try {
      while (this.next !== null) {
        const wish = this.next;
        this.next = null;
        try {
          this.then(wish, await this.read(wish));
        } catch (error) {
          this.failed(error);
        }
      }
    } finally {
      this.running = false;
    }
  }
}
