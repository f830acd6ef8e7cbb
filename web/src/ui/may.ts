/** What whoever looks may do, as the server says it. No page compares roles: what it offers follows from this. Pure. */
import { object } from '../feed/protocol';

/** `own`: what the role's own part of the city holds, an agency's incidents or a responder's areas. */
export type Reach = 'own' | 'all';
/** By the permission's name; what is not in it is not allowed. */
export type May = Readonly<Record<string, Reach>>;

/** What makes the queue of the console somebody's work. */
const WORK = ['verify', 'assign', 'start', 'resolve'] as const;

/** A server that says nothing allows nothing; a reach that this page does not know is the smaller one. */
export function decodeMay(value: unknown): May {
  if (value == null) return {};
  return Object.fromEntries(Object.entries(object(value, 'may')).map(([key, reach]) => [key, reach === 'all' ? 'all' : 'own']));
}

/** Whether the console is a place of work for them. */
export function worksQueue(may: May): boolean {
  return may['see-incident'] !== undefined && WORK.some((permission) => may[permission] !== undefined);
}
