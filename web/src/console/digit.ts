/** The number keys of a rejection: they choose what it was, until that is chosen; then they are text. Pure. */
import { dispositionByDigit, type Disposition } from './transitions';

export type DigitPress = Parameters<typeof dispositionByDigit>[0];

/**
 * What a key in the empty field does to the choice: a disposition, or `null` where the backspace takes the choice back,
 * so that another number can be pressed. `undefined`: the key is none of this, and is text.
 */
export function digitChoice(event: DigitPress, text: string, chosen: Disposition | null): Disposition | null | undefined {
  if (chosen === null) return dispositionByDigit(event, text) ?? undefined;
  return text === '' && event.key === 'Backspace' ? null : undefined;
}
