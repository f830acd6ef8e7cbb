/** Keys while the past is shown: the replay's own, the way back, help and commands. No other does anything. */
import type { Lang } from '../feed/protocol';
import { keyPressed } from '../replay/keys';
import type { Playback } from '../replay/playback.svelte';
import { commandOf } from './keys';

/** What the page is to do; null: nothing, or the replay did it. `letters`: whether single letters are keys. */
export function wayOut(event: KeyboardEvent, playback: Playback, lang: Lang, letters: boolean): 'back' | 'help' | 'palette' | null {
  const { key, ctrlKey: ctrl, metaKey: meta, altKey: alt } = event;
  const isLetter = /^\p{L}$/u.test(key) && !ctrl && !meta && !alt;
  // A date is typed in its own field.
  const inDate = event.target instanceof Element && event.target.closest('input[type="date"]') !== null;
  if (isLetter && (!letters || inDate)) return null;
  const command = commandOf({ key, ctrl, meta, alt, inText: false, onControl: true }, lang, false, letters);
  const way = command?.do === 'escape' || command?.do === 'replay' ? 'back' : command?.do === 'help' || command?.do === 'palette' ? command.do : null;
  if (way === null) {
    keyPressed(playback, event);
    return null;
  }
  event.preventDefault();
  // A key that is held goes one way, not to and fro.
  return event.repeat ? null : way;
}
