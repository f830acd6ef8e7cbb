/** A hand on the clock of a replay: where it stands, how fast it runs, and what a key does. Pure. */

export const SPEEDS = [1, 10, 60, 300, 600] as const;
export type Speed = (typeof SPEEDS)[number];

const MINUTE_MS = 60_000;
const SHORT_STEP_MS = MINUTE_MS;
const LONG_STEP_MS = 15 * MINUTE_MS;

export interface Player {
  readonly fromMs: number;
  readonly toMs: number;
  readonly atMs: number;
  readonly speed: Speed;
  readonly playing: boolean;
}

/** Within its span; at the end it stops. */
export function seek(player: Player, atMs: number): Player {
  const held = Math.min(player.toMs, Math.max(player.fromMs, atMs));
  return { ...player, atMs: held, playing: player.playing && held < player.toMs };
}

/** So much real time later. */
export function pass(player: Player, real_ms: number): Player {
  return player.playing ? seek(player, player.atMs + real_ms * player.speed) : player;
}

/** From the end it begins anew. */
export function toggle(player: Player): Player {
  if (player.playing) return { ...player, playing: false };
  return { ...player, atMs: player.atMs >= player.toMs ? player.fromMs : player.atMs, playing: true };
}

export function faster(player: Player, by: 1 | -1): Player {
  const n = Math.min(SPEEDS.length - 1, Math.max(0, SPEEDS.indexOf(player.speed) + by));
  return { ...player, speed: SPEEDS[n] ?? player.speed };
}

export interface Press {
  readonly key: string;
  readonly shift: boolean;
  /** Ctrl, Alt or Meta: the browser's. */
  readonly other: boolean;
}

/** What a key does; null where it is none of ours. */
export function press(player: Player, { key, shift, other }: Press): Player | null {
  if (other) return null;
  const step_ms = shift ? LONG_STEP_MS : SHORT_STEP_MS;
  switch (key) {
    case ' ':
    case 'k':
      return toggle(player);
    case 'ArrowLeft':
      return seek({ ...player, playing: false }, player.atMs - step_ms);
    case 'ArrowRight':
      return seek({ ...player, playing: false }, player.atMs + step_ms);
    case 'ArrowUp':
      return faster(player, 1);
    case 'ArrowDown':
      return faster(player, -1);
    case 'PageDown':
      return seek({ ...player, playing: false }, player.atMs - 60 * MINUTE_MS);
    case 'PageUp':
      return seek({ ...player, playing: false }, player.atMs + 60 * MINUTE_MS);
    case 'Home':
      return seek({ ...player, playing: false }, player.fromMs);
    case 'End':
      return seek({ ...player, playing: false }, player.toMs);
    default:
      return null;
  }
}

/** What the address asks for: a moment, and the span around it. `nowMs`: nothing later is known. */
export function fromAddress(query: URLSearchParams, nowMs: number, midnight: (ms: number) => number): Player {
  const time = (key: string): number | null => {
    const ms = Date.parse(query.get(key) ?? '');
    return Number.isNaN(ms) ? null : Math.min(ms, nowMs);
  };
  const at = time('at');
  const from = time('from') ?? midnight(at ?? nowMs);
  const asked = time('to') ?? Math.min(nowMs, midnight(from + 36 * 60 * MINUTE_MS));
  const to = Math.max(asked, from + MINUTE_MS);
  const speed = SPEEDS.find((one) => one === Number(query.get('speed'))) ?? 60;
  return { fromMs: from, toMs: to, atMs: Math.min(to, Math.max(from, at ?? from)), speed, playing: false };
}

/** How many incidents were opened in each of `n` equal parts of the span. */
export function bins(openedMs: readonly number[], fromMs: number, toMs: number, n: number): readonly number[] {
  const counts = Array.from({ length: n }, () => 0);
  for (const ms of openedMs) {
    const at = Math.floor(((ms - fromMs) / (toMs - fromMs)) * n);
    if (at >= 0 && at < n) counts[at] = (counts[at] ?? 0) + 1;
  }
  return counts;
}
