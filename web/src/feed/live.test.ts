import { describe, expect, it, vi } from 'vitest';
import { serverNow, type ServerClock } from './clock';
import { BEHIND_MS, LiveFeed, type FeedEvents, type Phase } from './live';
import type { Person } from './protocol';
import { TestSurroundings } from './testing';

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
    const t = live();
    t.heartbeat(14);
    t.cut();
    expect(t.phases).toEqual(['live', 'reconnecting']);
    t.wait(1_000);
    t.hello();
    expect(t.sent().resume).toEqual({ epoch: 'e1', seq: 14, view: 'v' });
    t.frame({ type: 'delta', id: 'main', view: 'v', from: 14, seq: 14 });
    expect(t.phases).toEqual(['live', 'reconnecting', 'live']);
  });

  it('takes no heartbeat for its own before the socket has answered', () => {
    const t = live();
    for (let lost = 0; lost < 2; lost++) {
      t.cut();
      t.wait(1_000);
      t.hello();
      t.heartbeat(14);
      expect(t.sent().resume).toEqual({ epoch: 'e1', seq: 10, view: 'v' });
    }
  });

  it('resumes nothing that had a hole, whatever a heartbeat says', () => {
    const t = live();
    t.frame({ type: 'delta', id: 'main', view: 'v', from: 12, seq: 13 });
    t.heartbeat(14);
    t.cut();
    t.wait(1_000);
    t.hello();
    expect(t.sent().resume).toBeUndefined();
  });

  it('says while new reports may be missing from what it shows', () => {
    const t = live();
    t.frame({ type: 'heartbeat', seq: 10, time: '2026-11-24T04:00:01Z', speed: 1, degraded: true });
    t.frame({ type: 'heartbeat', seq: 10, time: '2026-11-24T04:00:02Z', speed: 1 });
    expect(t.degraded).toEqual([false, true, false]);
    expect(t.phases).toEqual(['live']);
  });

  it('asks for a snapshot, without resume, where a delta leaves a hole', () => {
    const t = live();
    t.frame({ type: 'delta', id: 'main', view: 'v', from: 12, seq: 13 });
    expect(t.sent().type).toBe('subscribe');
    expect(t.sent().resume).toBeUndefined();
    expect(t.subscribes()).toBe(2);
  });

  it('is stale after two heartbeats of silence, and tries again', () => {
    const t = live();
    t.wait(29_000);
    expect(t.phases).toEqual(['live']);
    t.wait(2_000);
    expect(t.phases).toEqual(['live', 'stale']);
    expect(t.opened()).toBe(2);
  });

  it('gives a new socket its own time before it calls it dead', () => {
    const t = live();
    t.wait(32_000);
    const opened = t.opened();
    t.wait(20_000);
    expect(t.opened()).toBe(opened);
  });

  it('lets the clock of a replay stand from the last frame until it is live again', () => {
    const t = live(1_200);
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
    const t = live();
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

  it('stays stale at a server that is out of touch, however often it comes back, until a heartbeat', () => {
    const t = live();
    t.wait(31_000);
    for (let again = 0; again < 3; again++) {
      t.hello(undefined, undefined, false, { in_touch: false });
      expect(t.sent().resume).toEqual({ epoch: 'e1', seq: 10, view: 'v' });
      t.delta(10, 10);
      expect(t.phases).toEqual(['live', 'stale']);
      t.wait(31_000);
    }
    t.hello(undefined, undefined, false, { in_touch: false });
    t.delta(10, 12);
    expect(t.phases).toEqual(['live', 'stale']);
    t.heartbeat(12);
    expect(t.phases).toEqual(['live', 'stale', 'live']);
  });

  it('shows what a server knows that is out of touch, and never calls it live', () => {
    const t = bench();
    t.hello(undefined, undefined, false, { in_touch: false });
    t.snapshot(10);
    expect(t.phases).toEqual(['stale']);
  });

  it('is stale where changes come and heartbeats do not', () => {
    const t = live();
    for (let seq = 10; seq < 17; seq++) {
      t.wait(5_000);
      t.delta(seq, seq + 1);
    }
    expect(t.phases).toEqual(['live', 'stale']);
    expect(t.opened()).toBe(1);
    t.heartbeat(17);
    expect(t.phases).toEqual(['live', 'stale', 'live']);
  });

  it('asks again, with a growing pause, what a server could not answer just then', () => {
    const t = bench();
    t.hello();
    t.refuse('too-many-views');
    expect([t.subscribes(), t.problems]).toEqual([1, ['/problems/too-many-views']]);
    t.wait(500);
    expect(t.subscribes()).toBe(2);
    t.refuse('internal');
    t.wait(500);
    expect(t.subscribes()).toBe(2);
    t.wait(500);
    expect(t.subscribes()).toBe(3);
    t.heartbeat(10);
    t.snapshot(10);
    expect(t.phases).toEqual(['live']);
    expect(t.problems.at(-1)).toBe(null);
    t.wait(25_000);
    expect(t.subscribes()).toBe(3);
  });

  it('resumes still where a resume was refused, also where the reader asks for something else', () => {
    const t = live();
    t.cut();
    t.wait(1_000);
    t.hello();
    const resume = { epoch: 'e1', seq: 10, view: 'v' };
    for (const ask of [() => t.wait(1_000), () => t.feed.subscribe({ ...WANTED, zoom: 13 })]) {
      t.refuse('internal');
      t.heartbeat(20);
      ask();
      expect(t.sent().resume).toEqual(resume);
    }
    t.delta(10, 20);
    expect(t.phases).toEqual(['live', 'reconnecting', 'live']);
  });

  it('is stale where nothing it asks is answered, whatever heartbeats say', () => {
    const t = live();
    t.cut();
    t.wait(1_000);
    t.hello();
    for (let second = 0; second < 35; second += 5) {
      t.refuse('too-many-views');
      t.heartbeat(20);
      t.wait(5_000);
    }
    expect(t.phases).toEqual(['live', 'reconnecting', 'stale']);
    expect(t.opened()).toBe(2);
  });

  it('keeps a refusal standing while what was shown before goes on, and until the question is answered', () => {
    const t = live();
    t.feed.subscribe({ ...WANTED, zoom: 13 });
    t.refuse('too-many-views');
    t.delta(10, 11);
    t.heartbeat(12);
    expect(t.problems).toEqual(['/problems/too-many-views']);
    t.wait(1_000);
    expect(t.subscribes()).toBe(3);
    expect(t.sent()).toMatchObject({ zoom: 13 });
    expect(t.sent().resume).toBeUndefined();
    t.delta(12, 13);
    t.snapshot(13, 'view_changed');
    expect(t.problems).toEqual(['/problems/too-many-views']);
    t.snapshot(13, 'replaced');
    expect(t.problems).toEqual(['/problems/too-many-views', null]);
    // A pan is answered by a delta under another view.
    t.feed.subscribe({ ...WANTED, bbox: [127, 0, 127.5, 1] });
    t.refuse('internal');
    t.delta(13, 14, 'w');
    expect(t.problems).toEqual(['/problems/too-many-views', null, '/problems/internal', null]);
    t.wait(20_000);
    expect(t.subscribes()).toBe(4);
  });

  it('does not repeat what is wrong, but asks what the reader asks next', () => {
    const t = live();
    t.feed.subscribe({ ...WANTED, filter: { q: 'x'.repeat(300) } });
    t.refuse('invalid-message');
    t.delta(10, 11);
    t.wait(25_000);
    expect([t.subscribes(), t.problems]).toEqual([2, ['/problems/invalid-message']]);
    t.feed.subscribe(WANTED);
    t.snapshot(11, 'replaced');
    expect([t.subscribes(), t.problems]).toEqual([3, ['/problems/invalid-message', null]]);
  });

  it('says while what is shown answers an earlier question: one that was refused at once, one that waits after a moment', () => {
    const t = live();
    t.feed.subscribe({ ...WANTED, zoom: 13 });
    t.refuse('too-many-views');
    t.delta(10, 11);
    expect(t.behind).toEqual([true]);
    t.wait(1_000);
    t.snapshot(11, 'replaced');
    expect(t.behind).toEqual([true, false]);

    t.feed.subscribe({ ...WANTED, zoom: 14 });
    t.wait(BEHIND_MS - 1);
    expect(t.behind).toEqual([true, false]);
    t.wait(1);
    expect(t.behind).toEqual([true, false, true]);
    t.snapshot(11, 'replaced');
    // An answer in time is no news.
    t.feed.subscribe({ ...WANTED, zoom: 15 });
    t.snapshot(11, 'replaced');
    t.wait(BEHIND_MS);
    expect([t.behind, t.phases]).toEqual([[true, false, true, false], ['live']]);
  });

  it('says so too where the reader looked elsewhere while the line was lost', () => {
    const t = live();
    t.cut();
    t.feed.subscribe({ ...WANTED, zoom: 13 });
    t.wait(BEHIND_MS);
    expect(t.behind).toEqual([true]);
    t.hello();
    t.snapshot(10, 'view_changed');
    expect(t.behind).toEqual([true, false]);
  });

  it('is answered with the answer to the last question, not to one before it', () => {
    const t = live();
    for (const zoom of [13, 14]) t.feed.subscribe({ ...WANTED, zoom });
    t.wait(BEHIND_MS);
    t.snapshot(10, 'replaced');
    t.heartbeat(10);
    expect(t.behind).toEqual([true]);
    t.snapshot(10, 'replaced');
    expect(t.behind).toEqual([true, false]);
    // A refusal of what nobody asks any more is none.
    for (const zoom of [15, 16]) t.feed.subscribe({ ...WANTED, zoom });
    t.refuse('internal');
    t.snapshot(10, 'replaced');
    expect([t.behind, t.problems]).toEqual([[true, false], []]);
  });

  it('asks a question that was lost again, on another line, after two heartbeats', () => {
    const t = live();
    t.feed.subscribe({ ...WANTED, zoom: 13 });
    for (let second = 0; second < 35; second += 5) {
      t.heartbeat(10);
      t.wait(5_000);
    }
    expect([t.opened(), t.behind, t.phases]).toEqual([2, [true], ['live', 'reconnecting']]);
    t.hello();
    expect(t.sent()).toMatchObject({ zoom: 13, resume: { epoch: 'e1', seq: 10, view: 'v' } });
    t.snapshot(10, 'view_changed');
    expect([t.behind, t.phases]).toEqual([[true, false], ['live', 'reconnecting', 'live']]);
  });

  it('folds nothing into what has a hole, and asks once', () => {
    const t = live();
    t.delta(12, 13);
    expect(t.phases).toEqual(['live', 'reconnecting']);
    t.delta(13, 14);
    t.delta(10, 15);
    expect([t.subscribes(), t.phases]).toEqual([2, ['live', 'reconnecting']]);
    t.snapshot(15, 'replaced');
    expect(t.phases).toEqual(['live', 'reconnecting', 'live']);
  });

  it('asks once more where what it asked after a hole was a pan of what the server has', () => {
    const t = live();
    t.feed.subscribe({ ...WANTED, bbox: [127, 0, 127.5, 1] });
    t.refuse('internal');
    t.delta(12, 13);
    expect(t.subscribes()).toBe(3);
    t.delta(13, 14, 'w');
    t.delta(14, 15, 'w');
    expect(t.subscribes()).toBe(4);
    t.snapshot(15, 'replaced');
    expect(t.phases).toEqual(['live', 'reconnecting', 'live']);
  });

  it('stays right where the page throws at what it is told', () => {
    const reported = vi.spyOn(console, 'error').mockImplementation(() => {});
    const fails = (): never => {
      throw new Error('a fault of the page');
    };
    const t = bench(1, { hello: fails, view: fails, phase: fails, degraded: fails, clock: fails, people: fails, alarm: fails, frame: fails });
    t.hello();
    expect(t.subscribes()).toBe(1);
    t.snapshot(10);
    t.delta(10, 11);
    t.heartbeat(14);
    t.alarm('a:1');
    t.cut();
    t.wait(1_000);
    t.hello();
    expect(t.sent().resume).toEqual({ epoch: 'e1', seq: 14, view: 'v' });
    expect(reported).toHaveBeenCalled();
    reported.mockRestore();
  });

  it('tells an alarm once, also where it comes again after a resume, but that of another history', () => {
    const t = live();
    t.alarm('a:1');
    t.cut();
    t.wait(1_000);
    t.hello();
    t.alarm('a:1');
    t.alarm('a:2');
    expect(t.alarms).toEqual(['a:1', 'a:2']);
    t.cut();
    t.wait(1_000);
    t.hello(undefined, undefined, false, { epoch: 'e2' });
    t.alarm('a:1');
    expect(t.alarms).toEqual(['a:1', 'a:2', 'a:1']);
  });
});

/** Live, as of seq 10. */
function live(speed = 1): ReturnType<typeof bench> {
  const t = bench(speed);
  t.hello();
  t.snapshot(10);
  return t;
}

/** A feed with sockets, timers and a clock that the test moves. */
function bench(speed = 1, more: Partial<FeedEvents> = {}) {
  const around = new TestSurroundings();
  const phases: Phase[] = [];
  const builds: string[] = [];
  const degraded: boolean[] = [];
  const people: (readonly Person[])[] = [];
  const problems: (string | null)[] = [];
  const behind: boolean[] = [];
  const alarms: string[] = [];
  let clock: ServerClock | null = null;
  const feed = new LiveFeed(
    'ws://x',
    {
      phase: (phase) => phases.push(phase),
      newBuild: (build) => builds.push(build),
      degraded: (now) => degraded.push(now),
      people: (now) => people.push(now),
      clock: (told) => (clock = told),
      problem: (problem) => problems.push(problem?.type ?? null),
      behind: (now) => behind.push(now),
      alarm: ({ id }) => alarms.push(id),
      ...more,
    },
    around,
  );
  feed.start(WANTED);
  const last = () => around.sockets.at(-1);
  const frame = (value: unknown): void => last()?.onmessage?.({ data: JSON.stringify(value) });
  return {
    phases,
    builds,
    degraded,
    people,
    problems,
    behind,
    alarms,
    feed,
    frame,
    now: () => (clock === null ? null : new Date(serverNow(clock, around.now_ms())).toISOString()),
    hello: (build = '0.1.0', now = '2026-11-24T04:00:00Z', presence = false, more: object = {}) =>
      frame({ type: 'hello', protocol: 'pantau.v1', epoch: 'e1', seq: 1, projection: 'staff', frame_ms: 100, heartbeat_s: 15, now, speed, build, ...(presence && { presence }), ...more }),
    snapshot: (seq: number, reason = 'subscribed') => frame({ type: 'snapshot', id: 'main', view: 'v', seq, level: 15, features: [], hotspots: [], reason }),
    delta: (from: number, seq: number, view = 'v') => frame({ type: 'delta', id: 'main', view, from, seq }),
    heartbeat: (seq: number) => frame({ type: 'heartbeat', seq, time: '2026-11-24T04:00:01Z', speed: 1 }),
    refuse: (type: string) => frame({ type: 'error', id: 'main', problem: { type: `/problems/${type}`, title: type, detail: type, errors: [] } }),
    alarm: (id: string) => frame({ type: 'alarm', id, sub: 'main', kind: 'later', seq: 1, title: { id, en: id } }),
    cut: (code = 1006) => last()?.onclose?.({ code }),
    sent: (): Record<string, unknown> => last()?.log.at(-1) ?? {},
    subscribes: () => around.sockets.flatMap(({ log }) => log).filter(({ type }) => type === 'subscribe').length,
    opened: () => around.sockets.length,
    wait: (ms: number) => around.wait(ms),
  };
}
