/** The moment of a replay in a page's address. Pure. */
import type { Player } from './player';

/** To the second, with what else the address says. */
export function withMoment(query: URLSearchParams, { atMs, speed }: Pick<Player, 'atMs' | 'speed'>): string {
  const next = new URLSearchParams(query);
  next.set('at', new Date(Math.floor(atMs / 1000) * 1000).toISOString().replace('.000Z', 'Z'));
  next.set('speed', String(speed));
  return next.toString().replaceAll('%3A', ':').replaceAll('%2C', ',');
}

export function withoutMoment(query: URLSearchParams): URLSearchParams {
  const next = new URLSearchParams(query);
  for (const key of ['at', 'speed', 'from', 'to']) next.delete(key);
  return next;
}

/** Whether it names a moment that can be shown. */
export function namesMoment(query: URLSearchParams): boolean {
  return !Number.isNaN(Date.parse(query.get('at') ?? ''));
}
