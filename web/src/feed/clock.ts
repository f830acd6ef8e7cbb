/**
 * The server's time on this page: its `now`, running at its `speed`, corrected by every heartbeat.
 * Pages never show their own clock; a wall whose machine has the wrong time still tells the right one.
 */
export interface ServerClock {
  readonly serverMs: number;
  readonly localMs: number;
  /** 1, or more while a replay runs. */
  readonly speed: number;
}

/** Less than this is the network's jitter: following it would make the seconds stumble. */
const JITTER_MS = 400;

export function startClock(serverMs: number, speed: number, localMs: number): ServerClock {
  return { serverMs, localMs, speed };
}

export function serverNow(clock: ServerClock, localMs: number): number {
  return clock.serverMs + (localMs - clock.localMs) * clock.speed;
}

export function correctClock(clock: ServerClock, serverMs: number, speed: number, localMs: number): ServerClock {
  if (speed !== clock.speed) return startClock(serverMs, speed, localMs);
  const error_ms = Math.abs(serverNow(clock, localMs) - serverMs);
  if (error_ms <= JITTER_MS * Math.max(1, clock.speed)) return clock;
  return { serverMs, localMs, speed };
}

/**
 * Of a lost line: real time runs on, so ages grow truthfully; a replay may have been paused or ended meanwhile, and
 * its day would race on unseen, so it stands at the last moment that the page knew.
 */
export function holdClock(clock: ServerClock, lastKnown_ms: number): ServerClock {
  return clock.speed === 1 ? clock : startClock(serverNow(clock, lastKnown_ms), 0, lastKnown_ms);
}
