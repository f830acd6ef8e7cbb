import { describe, expect, it, vi } from 'vitest';
import { serverNow, type ServerClock } from './clock';
import { LiveFeed, type Phase, type Surroundings } from './live';
import type { SocketLike } from './inflate';
import type { Person } from './protocol';

const WANTED = { bbox: [127, 0, 128, 1] as const, zoom: 12, filter: {} };

describe('the live feed', () => {
  it('subscribes after hello, and is live with the snapshot', () => {
    const t = bench();
    t.hello();
    expect(t.sent()).toMatchObject({ type: 'subscribe', id: 'main', zoom: 12 });
    expect(t.sent().resume).toBeUndefined();
    t.snapshot(10);
    expect(t.phases).toEqual(['live']);
  });

  it('resumes from the held seq when the socket comes back', () => {
    const t = bench();
    t.hello();
    t.snapshot(10);
    t.frame({ type: 'heartbeat', seq: 14, time: '2026-11-24T04:00:01Z', speed: 1 });
    t.cut();
    expect(t.phases).toEqual(['live', 'reconnecting']);
    t.wait(1_000);
    t.hello();
    expect(t.sent().resume).toEqual({ epoch: 'e1', seq: 14, view: 'v' });
    t.frame({ type: 'delta', id: 'main', view: 'v', from: 14, seq: 14 });
    expect(t.phases).toEqual(['live', 'reconnecting', 'live']);
  });

  it('takes no heartbeat for its own before the socket has answered', () => {
    const t = bench();
    t.hello();
    t.snapshot(10);
    for (let lost = 0; lost < 2; lost++) {
      t.cut();
      t.wait(1_000);
      t.hello();
      t.frame({ type: 'heartbeat', seq: 14, time: '2026-11-24T04:00:01Z', speed: 1 });
      expect(t.sent().resume).toEqual({ epoch: 'e1', seq: 10, view: 'v' });
    }
  });

  it('resumes nothing that had a hole, whatever a heartbeat says', () => {
    const t = bench();
    t.hello();
    t.snapshot(10);
    t.frame({ type: 'delta', id: 'main', view: 'v', from: 12, seq: 13 });
    t.frame({ type: 'heartbeat', seq: 14, time: '2026-11-24T04:00:01Z', speed: 1 });
    t.cut();
    t.wait(1_000);
    t.hello();
    expect(t.sent().resume).toBeUndefined();
  });

  it('says while new reports may be missing from what it shows', () => {
    const t = bench();
    t.hello();
    t.snapshot(10);
    t.frame({ type: 'heartbeat', seq: 10, time: '2026-11-24T04:00:01Z', speed: 1, degraded: true });
    t.frame({ type: 'heartbeat', seq: 10, time: '2026-11-24T04:00:02Z', speed: 1 });
    expect(t.degraded).toEqual([false, true, false]);
    expect(t.phases).toEqual(['live']);
  });

  it('asks for a snapshot, without resume, where a delta leaves a hole', () => {
    const t = bench();
    t.hello();
    t.snapshot(10);
    t.frame({ type: 'delta', id: 'main', view: 'v', from: 12, seq: 13 });
    expect(t.sent().type).toBe('subscribe');
    expect(t.sent().resume).toBeUndefined();
    expect(t.subscribes()).toBe(2);
  });

  it('is stale after two heartbeats of silence, and tries again', () => {
    const t = bench();
    t.hello();
    t.snapshot(10);
    t.wait(29_000);
    expect(t.phases).toEqual(['live']);
    t.wait(2_000);
    expect(t.phases).toEqual(['live', 'stale']);
    expect(t.opened()).toBe(2);
  });

  it('gives a new socket its own time before it calls it dead', () => {
    const t = bench();
    t.hello();
    t.snapshot(10);
    t.wait(32_000);
    const opened = t.opened();
    t.wait(20_000);
    expect(t.opened()).toBe(opened);
  });

  it('lets the clock of a replay stand from the last frame until it is live again', () => {
    const t = bench(1_200);
    t.hello();
    t.snapshot(10);
    t.wait(2_000);
    t.frame({ type: 'heartbeat', seq: 10, time: '2026-11-24T04:40:00Z', speed: 1_200 });
    t.wait(1_000);
    expect(t.now()).toBe('2026-11-24T05:00:00.000Z');
    t.cut();
    t.wait(60_000);
    expect(t.phases.at(-1)).toBe('stale');
    expect(t.now()).toBe('2026-11-24T04:40:00.000Z');
    t.hello(undefined, '2026-11-24T09:00:00Z');
    t.wait(100);
    expect(t.now()).toBe('2026-11-24T09:00:00.000Z');
    t.snapshot(20);
    t.wait(1_000);
    expect(t.now()).toBe('2026-11-24T09:22:00.000Z');
  });

  it('lets real time run on while the line is lost', () => {
    const t = bench();
    t.hello();
    t.snapshot(10);
    t.cut();
    t.wait(60_000);
    expect(t.now()).toBe('2026-11-24T04:01:00.000Z');
  });

  it('stays away after a close code that says so', () => {
    const t = bench();
    t.hello();
    t.snapshot(1);
    t.cut(4500);
    t.wait(120_000);
    expect(t.opened()).toBe(1);
    expect(t.phases.at(-1)).toBe('stale');
  });

  it('says where the reader is on sockets that want to know, again after a reconnect, and forgets the others meanwhile', () => {
    const t = bench();
    t.feed.present({ incident: 'i:1', editing: false });
    t.hello();
    t.snapshot(1);
    expect(t.sent().type).toBe('subscribe');
    t.cut();
    t.wait(1_000);
    t.hello(undefined, undefined, true);
    expect(t.sent()).toEqual({ type: 'presence', incident: 'i:1', editing: false });
    const since = '2026-11-24T05:05:00Z';
    t.frame({ type: 'presence', people: [{ who: 'ani', name: 'Ani', incident: '019a', editing: true, since }, { who: 'budi', name: 'Budi', incident: null, editing: false, since }] });
    expect(t.people.at(-1)?.map(({ who, incident }) => [who, incident])).toEqual([['ani', 'i:019a'], ['budi', null]]);
    t.cut();
    expect(t.people.at(-1)).toEqual([]);
    t.wait(2_000);
    t.hello(undefined, undefined, true);
    expect(t.sent()).toEqual({ type: 'presence', incident: 'i:1', editing: false });
  });

  it('does not loop on a frame that it cannot read', () => {
    vi.spyOn(console, 'error').mockImplementationOnce(() => {});
    const t = bench();
    t.hello();
    t.frame({ type: 'snapshot', id: 'main' });
    expect(t.subscribes()).toBe(1);
    t.wait(1_000);
    t.hello();
    expect(t.subscribes()).toBe(2);
  });

  it('tells of another build once the server comes back with one', () => {
    const t = bench();
    t.hello();
    t.snapshot(1);
    t.cut();
    t.wait(1_000);
    t.hello('0.2.0');
    expect(t.builds).toEqual(['0.2.0']);
  });
});

/** A feed with sockets, timers and a clock that the test moves. */
function bench(speed = 1) {
  let now_ms = 0;
  let timers: { at_ms: number; run: () => void; id: number }[] = [];
  let ids = 0;
  const sockets: (SocketLike & { log: Record<string, unknown>[] })[] = [];
  const phases: Phase[] = [];
  const builds: string[] = [];
  const degraded: boolean[] = [];
  const people: (readonly Person[])[] = [];
  let clock: ServerClock | null = null;
  const around: Surroundings = {
    open: () => {
      const log: Record<string, unknown>[] = [];
      const socket = { log, onopen: null, onmessage: null, onclose: null, send: (text: string) => void log.push(JSON.parse(text)), close: () => {} };
      sockets.push(socket);
      return socket;
    },
    now_ms: () => now_ms,
    random: () => 0.5,
    setTimer: (run, ms) => {
      timers.push({ at_ms: now_ms + ms, run, id: ++ids });
      return ids;
    },
    clearTimer: (id) => void (timers = timers.filter((timer) => timer.id !== id)),
  };
  const feed = new LiveFeed('ws://x', { phase: (phase) => phases.push(phase), newBuild: (build) => builds.push(build), degraded: (now) => degraded.push(now), people: (now) => people.push(now), clock: (told) => (clock = told) }, around);
  feed.start(WANTED);
  const last = () => sockets[sockets.length - 1];
  const frame = (value: unknown): void => last()?.onmessage?.({ data: JSON.stringify(value) });
  return {
    phases,
    builds,
    degraded,
    people,
    feed,
    frame,
    now: () => (clock === null ? null : new Date(serverNow(clock, now_ms)).toISOString()),
    hello: (build = '0.1.0', now = '2026-11-24T04:00:00Z', presence = false) =>
      frame({ type: 'hello', protocol: 'pantau.v1', epoch: 'e1', seq: 1, projection: 'staff', frame_ms: 100, heartbeat_s: 15, now, speed, build, ...(presence && { presence }) }),
    snapshot: (seq: number) => frame({ type: 'snapshot', id: 'main', view: 'v', seq, level: 15, features: [], hotspots: [], reason: 'subscribed' }),
    cut: (code = 1006) => last()?.onclose?.({ code }),
    sent: (): Record<string, unknown> => last()?.log.at(-1) ?? {},
    subscribes: () => sockets.flatMap(({ log }) => log).filter(({ type }) => type === 'subscribe').length,
    opened: () => sockets.length,
    wait: (ms: number) => {
      const until_ms = now_ms + ms;
      for (;;) {
        const next = timers.filter(({ at_ms }) => at_ms <= until_ms).sort((a, b) => a.at_ms - b.at_ms)[0];
        if (next === undefined) break;
        timers = timers.filter((timer) => timer !== next);
        now_ms = next.at_ms;
        next.run();
      }
      now_ms = until_ms;
    },
  };
}
