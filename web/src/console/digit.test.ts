import { expect, it } from 'vitest';
import { digitChoice, type DigitPress } from './digit';

const press = (key: string, more: Partial<DigitPress> = {}): DigitPress => ({ key, ctrlKey: false, metaKey: false, altKey: false, ...more });

it('a number chooses once, and then begins the words', () => {
  expect(digitChoice(press('3'), '', null)).toBe('ghost');
  expect(digitChoice(press('2'), '', 'ghost')).toBeUndefined();
  expect(digitChoice(press('2'), 'sudah ', null)).toBeUndefined();
  for (const key of ['0', '7', 'a', 'Enter']) expect(digitChoice(press(key), '', null), key).toBeUndefined();
});

it('a wrong choice is taken back by the backspace, as long as nothing is written', () => {
  expect(digitChoice(press('Backspace'), '', 'ghost')).toBeNull();
  expect(digitChoice(press('Backspace'), '2', 'ghost')).toBeUndefined();
  expect(digitChoice(press('Backspace'), '', null)).toBeUndefined();
});

it('numbers with Ctrl, Alt or the command key are the browser’s', () => {
  for (const held of ['ctrlKey', 'altKey', 'metaKey'] as const) expect(digitChoice(press('3', { [held]: true }), '', null), held).toBeUndefined();
});
