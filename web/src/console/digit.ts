/** The number keys of a rejection: they choose what it was, until that is chosen; then they are text. Pure. */
import { DISPOSITIONS, type Disposition } from './transitions';

export type DigitPress = Pick<KeyboardEvent, 'key' | 'ctrlKey' | 'metaKey' | 'altKey'>;

/**
 * What a key in the empty field does to the choice: a disposition, or `null` where the backspace takes the choice back,
 * so that another number can be pressed. `undefined`: the key is none of this, and is text.
 */
export function digitChoice({ key, ctrlKey, metaKey, altKey }: DigitPress, text: string, chosen: Disposition | null): Disposition | null | undefined {
  if (text !== '' || ctrlKey || metaKey || altKey) return undefined;
  if (chosen !== null) return key === 'Backspace' ? null : undefined;
  return /^[1-6]$/.test(key) ? DISPOSITIONS[Number(key) - 1] : undefined;
}
