import { afterEach, expect, it, vi } from 'vitest';
import { modal } from './modal';

afterEach(() => vi.unstubAllGlobals());

class Element {
  isConnected = true;
  focus = vi.fn();
  showModal = vi.fn();
}

/** The page with the focus on `at` while the dialog opens, and on `then` once it is gone. */
function closed(at: Element, then: Element): void {
  vi.stubGlobal('HTMLElement', Element);
  const page = { activeElement: at, body: BODY };
  vi.stubGlobal('document', page);
  const dialog = new Element();
  const { destroy } = modal(dialog as unknown as HTMLDialogElement);
  expect(dialog.showModal).toHaveBeenCalledOnce();
  page.activeElement = then;
  destroy();
}

const BODY = new Element();

it('the focus goes back to where it was, unless something else has it, or that is gone', () => {
  const row = new Element();
  closed(row, BODY);
  expect(row.focus).toHaveBeenCalledOnce();
  const field = new Element();
  closed(row, field);
  expect([row.focus.mock.calls.length, field.focus.mock.calls.length]).toEqual([1, 0]);
  row.isConnected = false;
  closed(row, BODY);
  expect(row.focus).toHaveBeenCalledOnce();
});
