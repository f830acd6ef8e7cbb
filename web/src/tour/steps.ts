/**
 * The first day at the console in seven steps: what each points at, and by what the page shows that it was done. Pure.
 *
 * The tour looks at the page as its reader does, by what stands on it; the console knows nothing of the tour.
 */
export const STEPS = ['welcome', 'queue', 'open', 'verify', 'assign', 'find', 'handover'] as const;
export type TourStep = (typeof STEPS)[number];

/** What it points at, the first that is there; none: nothing. */
export const POINTS_AT: Readonly<Record<TourStep, readonly string[]>> = {
  welcome: ['.console header .drill', '.console header'],
  queue: ['.console .left'],
  open: ['.console .left [data-row]', '.console .left'],
  verify: ['[data-action="verify"]', '[data-actions]', '.console .right'],
  assign: ['[data-option]', '[data-action="assign"]', '[data-actions]', '.console .right'],
  find: ['[data-search]', '.console input[type="search"]', '.console .left'],
  handover: ['.console header .tools', '.console header'],
};

/** What the tour sees of the page. */
export interface Seen {
  /** The incident that is open, by the feature's id. */
  readonly open: string | null;
  readonly status: string | null;
  readonly agency: string | null;
  /** A form, a dialog or the search has the focus. */
  readonly searching: boolean;
}

/** Whether the reader did what a step asks; `before`: what was seen when the step began. Steps that only tell are done at once. */
export function isDone(step: TourStep, seen: Seen, before: Seen): boolean {
  switch (step) {
    case 'open':
      return seen.open !== null;
    case 'verify':
      return seen.open !== null && seen.status !== null && seen.status !== 'new';
    case 'assign':
      return seen.agency !== null && (seen.open !== before.open || seen.agency !== before.agency || seen.status === 'in_progress');
    case 'find':
      return seen.searching;
    default:
      return true;
  }
}

export function see(root: ParentNode = document): Seen {
  const of = (selector: string, name: string): string | null => root.querySelector(selector)?.getAttribute(name) ?? null;
  return {
    open: of('.console', 'data-open'),
    status: of('.right [data-status]', 'data-status'),
    agency: of('.right [data-agency]', 'data-agency'),
    searching: document.activeElement?.matches('input[type="search"]') ?? false,
  };
}

export function pointAt(step: TourStep, root: ParentNode = document): Element | null {
  for (const selector of POINTS_AT[step]) {
    const found = root.querySelector(selector);
    if (found !== null && found.getClientRects().length > 0) return found;
  }
  return null;
}

/** What a page that shows the tour listens to. */
export const BEGIN = 'pantau:tour';

export function beginTour(): void {
  dispatchEvent(new Event(BEGIN));
}

const MARK = 'pantau.tour';

/** Whether the reader of this browser has seen it, or does not want it. */
export function isKnown(): boolean {
  try {
    return localStorage.getItem(MARK) !== null;
  } catch {
    // Without a memory it would be offered each time.
    return true;
  }
}

export function setKnown(): void {
  try {
    localStorage.setItem(MARK, 'known');
  } catch {
    // It is offered never, then.
  }
}
