/**
 * A socket whose long messages come deflated: hands all of them on as text, in their order. A snapshot of a city is
 * five to eight times smaller on the line, which on a phone in the third generation's network is the wait that one feels.
 */

export const SUBPROTOCOL = 'pantau.v1';
export const SUBPROTOCOL_DEFLATE = 'pantau.v1.deflate';

/** What to offer: an older browser cannot inflate, and gets text. */
export function subprotocols(): string[] {
  try {
    new DecompressionStream('deflate-raw');
    return [SUBPROTOCOL_DEFLATE, SUBPROTOCOL];
  } catch {
    return [SUBPROTOCOL];
  }
}

/** What is needed of a WebSocket. */
type RawSocket = Pick<WebSocket, 'binaryType' | 'onmessage' | 'onclose' | 'send' | 'close'>;

/** What the feed needs of a socket. */
export interface SocketLike {
  onopen: (() => void) | null;
  onmessage: ((event: { data: unknown }) => void) | null;
  onclose: ((event: { code: number }) => void) | null;
  send(text: string): void;
  close(code?: number): void;
}

export class InflatingSocket implements SocketLike {
  onopen: (() => void) | null = null;
  onmessage: ((event: { data: unknown }) => void) | null = null;
  onclose: ((event: { code: number }) => void) | null = null;
  /** Ends when everything that came before has been handed on; null when nothing is under way. */
  private under_way: Promise<void> | null = null;

  constructor(private readonly raw: RawSocket) {
    raw.binaryType = 'arraybuffer';
    raw.onmessage = ({ data }: MessageEvent) => this.receive(data);
    raw.onclose = (event) => this.afterwards(() => this.onclose?.(event));
  }

  send(text: string): void {
    this.raw.send(text);
  }

  close(code?: number): void {
    this.raw.close(code);
  }

  private receive(data: unknown): void {
    if (!(data instanceof ArrayBuffer)) return this.afterwards(() => this.onmessage?.({ data }));
    // What cannot be inflated is handed on as the empty text, which nobody can read: the feed begins anew.
    const text = inflate(data).catch(() => '');
    this.chain(async () => this.onmessage?.({ data: await text }));
  }

  private afterwards(run: () => void): void {
    if (this.under_way === null) run();
    else this.chain(async () => run());
  }

  private chain(run: () => Promise<void>): void {
    // What one message does to a page must not cost those that wait behind it.
    const ran = (this.under_way ?? Promise.resolve()).then(run).catch((error: unknown) => console.error('pantau: a page could not take a message', error));
    const mine: Promise<void> = ran.finally(() => {
      if (this.under_way === mine) this.under_way = null;
    });
    this.under_way = mine;
  }
}

async function inflate(data: ArrayBuffer): Promise<string> {
  const inflated = new Blob([data]).stream().pipeThrough(new DecompressionStream('deflate-raw'));
  return new Response(inflated).text();
}
