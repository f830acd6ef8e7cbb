/** How large the controls of a page are for a finger: WCAG 2.2, 2.5.5 (44 by 44 CSS pixels), with its exceptions. */
import type { Page } from 'playwright-core';

const PX = 44;

/** Each visible control that is smaller, a line each; empty where there is none. */
export function small(page: Page): Promise<string[]> {
  return page.evaluate((least) => {
    const CONTROLS = 'a[href], button, input:not([type="hidden"]), select, textarea, summary, [role="button"], [role="option"], [role="radio"], [role="tab"]';
    /** Whatever else is hit for it: its label, and of a field in a row of its own the row. */
    const room = (control: Element): Element => control.closest('label') ?? control;
    const hidden = (one: Element): boolean => !one.checkVisibility({ visibilityProperty: true, opacityProperty: true }) || one.closest('[inert], [aria-hidden="true"]') !== null;
    /** A link in a sentence is as high as its line. */
    const inline = (one: Element): boolean => one.matches('a[href]') && getComputedStyle(one).display === 'inline' && (one.parentElement?.textContent ?? '').trim() !== (one.textContent ?? '').trim();
    const behind = (one: Element): boolean => document.querySelector('dialog[open]:modal') !== null && one.closest('dialog[open]') === null;
    // Whose words must stand on every map, as its licence has it, small.
    const attribution = (one: Element): boolean => one.closest('.maplibregl-ctrl-attrib') !== null;
    /** What is drawn small may reach further: how far a finger can land from its middle and hit it all the same, both ways. */
    const reach = (one: Element, dx: number, dy: number): number => {
      const { left, top, width, height } = one.getBoundingClientRect();
      const hits = (n: number): boolean => room(one).contains(document.elementFromPoint(left + width / 2 + n * dx, top + height / 2 + n * dy));
      let n = 0;
      while (n < least && hits(n)) n += 1;
      return n;
    };
    const isHit = (one: Element): boolean => reach(one, 0, -1) + reach(one, 0, 1) >= least && reach(one, -1, 0) + reach(one, 1, 0) >= least;
    return [...document.querySelectorAll(CONTROLS)].flatMap((one) => {
      if (hidden(one) || inline(one) || behind(one) || attribution(one)) return [];
      const { width, height } = room(one).getBoundingClientRect();
      // Half a pixel is the drawing's.
      if (width === 0 || height === 0 || (width > least - 0.5 && height > least - 0.5) || isHit(one)) return [];
      const data = [...one.attributes].filter(({ name }) => name.startsWith('data-')).map(({ name, value }) => `${name}="${value}"`).join(' ');
      return [`${one.tagName.toLowerCase()} ${data} "${(one.textContent ?? '').trim().slice(0, 30)}" is ${width.toFixed(1)} × ${height.toFixed(1)}`];
    });
  }, PX);
}
