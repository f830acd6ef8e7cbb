import { deflateRawSync } from 'node:zlib';
import { describe, expect, it, vi } from 'vitest';
import { InflatingSocket } from './inflate';

/** A WebSocket without a line. */
class Raw {
  binaryType: BinaryType = 'blob';
  onmessage: WebSocket['onmessage'] = null;
  onclose: WebSocket['onclose'] = null;
  send = () => undefined;
  close = () => undefined;

  hear(data: unknown): void {
    this.onmessage?.call(this as unknown as WebSocket, { data } as MessageEvent);
  }

  end(code: number): void {
    this.onclose?.call(this as unknown as WebSocket, { code } as CloseEvent);
  }
}

function deflated(text: string): ArrayBuffer {
  const bytes = deflateRawSync(text);
  return new Uint8Array(bytes).buffer;
}

describe('InflatingSocket', () => {
  it('hands messages on in their order, inflated or not, and the close last', async () => {
    const inner = new Raw();
    const socket = new InflatingSocket(inner);
    const seen: string[] = [];
    socket.onmessage = ({ data }) => seen.push(String(data));
    const closed = new Promise<void>((resolve) => {
      socket.onclose = ({ code }) => {
        seen.push(`closed ${code}`);
        resolve();
      };
    });
    const long = 'banjir '.repeat(10_000);
    inner.hear('hello');
    expect(seen).toEqual(['hello']);
    inner.hear(deflated(long));
    inner.hear('after');
    inner.hear(deflated('last'));
    inner.end(1001);
    await closed;
    expect(seen).toEqual(['hello', long, 'after', 'last', 'closed 1001']);
  });

  it('hands on what it cannot inflate as a text that nobody can read', async () => {
    const inner = new Raw();
    const socket = new InflatingSocket(inner);
    const seen = new Promise((resolve) => (socket.onmessage = ({ data }) => resolve(data)));
    inner.hear(new Uint8Array([255, 255, 255]).buffer);
    expect(await seen).toBe('');
  });

  it('hands on what waits behind a message that a page could not take', async () => {
    const reported = vi.spyOn(console, 'error').mockImplementation(() => {});
    const inner = new Raw();
    const socket = new InflatingSocket(inner);
    const seen: string[] = [];
    socket.onmessage = ({ data }) => {
      seen.push(String(data));
      if (data === 'bad') throw new Error('a fault of the page');
    };
    const closed = new Promise((resolve) => (socket.onclose = ({ code }) => resolve(code)));
    inner.hear(deflated('bad'));
    inner.hear(deflated('next'));
    inner.hear('last');
    inner.end(1001);
    expect(await closed).toBe(1001);
    expect(seen).toEqual(['bad', 'next', 'last']);
    expect(reported).toHaveBeenCalledOnce();
    reported.mockRestore();
  });
});
