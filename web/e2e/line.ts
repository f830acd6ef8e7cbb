/** A page's live line that a test cuts, or on which it refuses or loses what the page asks, with a short heartbeat, so that a page is stale in seconds, and large counts. */
import { inflateRawSync } from 'node:zlib';
import type { Page, WebSocketRoute } from 'playwright-core';

/** Stale after twice that, and long enough for a test to see the page live first. */
const HEARTBEAT_S = 8;

const TOO_MANY = { type: '/problems/too-many-views', title: 'Too many views', status: 503, detail: 'this node serves as many different views as it can', errors: [] };

export class Line {
  private readonly open = new Set<WebSocketRoute>();
  private whole = true;
  /** What the server says it is, where that is said differently. */
  private build: string | null = null;
  /** What becomes of the page's questions: the server answers them, or they are refused for now, or lost. */
  questions: 'answered' | 'refused' | 'lost' = 'answered';
  /** Whether the server says that new reports may be missing. */
  degraded = false;

  /** Before the page loads. */
  async runThrough(page: Page): Promise<void> {
    await page.routeWebSocket('**/api/v1/live*', (socket) => {
      if (!this.whole) return;
      this.open.add(socket);
      const server = socket.connectToServer();
      socket.onMessage((message) => {
        const { type, id } = JSON.parse(message.toString());
        if (type !== 'subscribe' || this.questions === 'answered') server.send(message);
        else if (this.questions === 'refused') socket.send(JSON.stringify({ type: 'error', id, problem: TOO_MANY }));
      });
      server.onMessage((message) => {
        const json = typeof message === 'string' ? message : inflateRawSync(message).toString();
        socket.send(altered(JSON.parse(json), this.build, this.degraded));
      });
    });
  }

  /** The server says this too. */
  say(frame: object): void {
    for (const socket of this.open) socket.send(JSON.stringify(frame));
  }

  /** What is open ends, and whoever comes back finds a newer server. */
  async update(): Promise<void> {
    this.build = 'a newer one';
    for (const socket of this.open) await socket.close();
    this.open.clear();
  }

  /** What is open ends, and what the page opens afterwards stays silent. */
  async cut(): Promise<void> {
    this.whole = false;
    for (const socket of this.open) await socket.close();
  }
}

function altered(frame: any, build: string | null, degraded: boolean): string {
  if (frame.type === 'hello') {
    frame.heartbeat_s = HEARTBEAT_S;
    frame.build = build ?? frame.build;
  }
  if (degraded && (frame.type === 'hello' || frame.type === 'heartbeat')) frame.degraded = true;
  for (const counts of [frame.stats?.by_status, frame.stats?.by_category]) {
    for (const key of Object.keys(counts ?? {})) counts[key] += 12_345;
  }
  return JSON.stringify(frame);
}
