/** A key pressed on a page with a replay. */
import type { Playback } from './playback.svelte';
import { press } from './player';

/** Whether it was one of the replay's keys, which is then used up. What a field, the map or a button needs itself stays theirs. */
export function keyPressed(playback: Playback, event: KeyboardEvent): boolean {
  if (event.defaultPrevented || !(event.target instanceof Element)) return false;
  if (event.target.closest('input[type="date"], .map, [data-scrolls]') !== null) return false;
  if (event.target.closest('button, a') !== null && event.key === ' ') return false;
  const next = press(playback.player, { key: event.key, shift: event.shiftKey, other: event.ctrlKey || event.altKey || event.metaKey });
  if (next === null) return false;
  event.preventDefault();
  playback.move(next);
  return true;
}
