/** For tests: sockets without a line, and timers and a clock that the test moves. */
import type { SocketLike } from './inflate';
import type { Surroundings } from './live';

/** A socket that remembers what was sent on it. */
export interface TestSocket extends SocketLike {
  readonly log: Record<string, unknown>[];
  closed: boolean;
}

interface Timer {
  readonly at_ms: number;
  readonly run: () => void;
  readonly id: number;
}

export class TestSurroundings implements Surroundings {
  readonly sockets: TestSocket[] = [];
  private at_ms = 0;
  private timers: Timer[] = [];
  private ids = 0;

  constructor(
    readonly random: () => number = () => 0.5,
    private readonly sent: (socket: TestSocket, message: Record<string, unknown>) => void = () => {},
  ) {}

  open(): TestSocket {
    const socket: TestSocket = {
      log: [],
      closed: false,
      onopen: null,
      onmessage: null,
      onclose: null,
      send: (text) => {
        const message = JSON.parse(text) as Record<string, unknown>;
        socket.log.push(message);
        this.sent(socket, message);
      },
      close: () => void (socket.closed = true),
    };
    this.sockets.push(socket);
    return socket;
  }

  now_ms(): number {
    return this.at_ms;
  }

  setTimer(run: () => void, ms: number): number {
    this.timers.push({ at_ms: this.at_ms + ms, run, id: ++this.ids });
    return this.ids;
  }

  clearTimer(id: number): void {
    this.timers = this.timers.filter((timer) => timer.id !== id);
  }

  /** Time passes; timers go off in their order. */
  wait(ms: number): void {
    const until_ms = this.at_ms + ms;
    for (;;) {
      const [next] = this.timers.filter(({ at_ms }) => at_ms <= until_ms).sort((a, b) => a.at_ms - b.at_ms);
      if (next === undefined) break;
      this.clearTimer(next.id);
      this.at_ms = next.at_ms;
      next.run();
    }
    this.at_ms = until_ms;
  }
}
