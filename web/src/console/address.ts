/** What the console's address says: what is chosen, which incident is open, and the moment of the past. Pure. */
import { withMoment, withoutMoment } from '../replay/address';
import type { Player } from '../replay/player';
import { writeChoice, type Choice } from './choice';

export interface Shown {
  readonly choice: Choice;
  /** By the feature's id. */
  readonly open: string | null;
  /** Null: the present. */
  readonly player: Player | null;
}

/** The incident that an address names; null: none. */
export function openIn(query: URLSearchParams): string | null {
  const id = query.get('incident');
  return id !== null && /^i:[0-9a-f-]{36}$/.test(id) ? id : null;
}

/** `query` with what is shown in it. What an operator sends to a colleague stays readable. */
export function writeAddress(query: URLSearchParams, { choice, open, player }: Shown, standard: Choice): string {
  const next = withoutMoment(new URLSearchParams(writeChoice(query, choice, standard)));
  if (open === null) next.delete('incident');
  else next.set('incident', open);
  const text = (player === null ? next.toString() : withMoment(next, player)).replaceAll('%2C', ',').replaceAll('%3A', ':');
  return text === '' ? '' : `?${text}`;
}
