import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { TestSurroundings, type TestSocket } from '../feed/testing';
import { Session } from './session.svelte';

const WANTED = { bbox: [127, 0, 128, 1] as const, zoom: 12, filter: {} };
let sockets: readonly TestSocket[];

beforeEach(() => {
  const around = new TestSurroundings();
  sockets = around.sockets;
  vi.stubGlobal('WebSocket', function open() {
    return around.open();
  });
  vi.stubGlobal('location', new URL('http://center/wall'));
  vi.stubGlobal('document', { addEventListener: () => {} });
  vi.stubGlobal('addEventListener', () => {});
  vi.stubGlobal('window', { setTimeout: () => 0, clearTimeout: () => {} });
  vi.useFakeTimers();
});

afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

it('runs one feed, however often a map is made anew before the server said hello', () => {
  const session = new Session('public');
  session.start(WANTED);
  session.start({ ...WANTED, zoom: 13 });
  expect(sockets).toHaveLength(1);
  const hello = { type: 'hello', protocol: 'pantau.v1', epoch: 'e1', seq: 1, projection: 'public', frame_ms: 100, heartbeat_s: 15, now: '2026-11-24T04:00:00Z', speed: 1, build: '0.1.0' };
  sockets[0]?.onmessage?.({ data: JSON.stringify(hello) });
  expect(sockets[0]?.log).toMatchObject([{ type: 'subscribe', zoom: 13 }]);
});
