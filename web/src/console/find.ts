/** What a typed word may mean: a report's code, a place, words of a report, a telephone. Pure but for asking the server. */
import type { Area } from '../feed/city';
import { asCode } from './code';
import type { Recent } from './recent';
import { asPhone, hitKey, search, withoutDoubles, type Hit } from './search';

export type Finding =
  | { readonly kind: 'code'; readonly code: string }
  | { readonly kind: 'area'; readonly area: Area; readonly parent: string | null }
  /** Only those of the queue that hold the words. */
  | { readonly kind: 'queue'; readonly q: string }
  | { readonly kind: 'hit'; readonly hit: Hit }
  /** Asked for with a reason, by those who may see contacts. */
  | { readonly kind: 'phone'; readonly phone: string }
  | { readonly kind: 'recent'; readonly recent: Recent };

const AREAS_MAX = 5;
/** Fewer letters find half the city. */
export const LETTERS_MIN = 3;

/** What is known without asking. What is asked for stands behind it, so that nothing moves under the finger. */
export function meanings(text: string, areas: readonly Area[], recent: readonly Recent[]): readonly Finding[] {
  const q = text.trim();
  if (q === '') return recent.map((one) => ({ kind: 'recent', recent: one }));
  const code = asCode(q);
  if (code !== null) return [{ kind: 'code', code }];
  const named = areas.find((one) => one.code === q);
  if (named !== undefined) return [areaFinding(named, areas)];
  // Never as words of the queue: those stand in the address.
  const phone = asPhone(q);
  if (phone !== null) return [{ kind: 'phone', phone }];
  return [...areasNamed(q, areas), { kind: 'queue', q }];
}

/** Villages and districts; those that begin with the words first. */
function areasNamed(q: string, areas: readonly Area[]): readonly Finding[] {
  const wanted = plain(q);
  if (wanted.length < LETTERS_MIN) return [];
  const place = (name: string): number => plain(name).indexOf(wanted);
  return areas
    .filter(({ level, name }) => level !== 'city' && place(name) !== -1)
    .sort((a, b) => Math.sign(place(a.name)) - Math.sign(place(b.name)) || a.name.localeCompare(b.name))
    .slice(0, AREAS_MAX)
    .map((area) => areaFinding(area, areas));
}

function areaFinding(area: Area, areas: readonly Area[]): Finding {
  return { kind: 'area', area, parent: areas.find(({ code, level }) => code === area.parent && level === 'district')?.name ?? null };
}

function plain(text: string): string {
  return text.toLocaleLowerCase('id').replace(/[^\p{L}\p{N}]+/gu, ' ').trim();
}

/** Whatever the server finds of it, without what stands there already. */
export async function findOnServer(text: string, known: readonly Finding[]): Promise<readonly Finding[]> {
  const q = text.trim();
  if (q.length < LETTERS_MIN || known.some(({ kind }) => kind === 'code' || kind === 'phone') || asPhone(q) !== null) return [];
  const named = new Set(known.flatMap((one) => (one.kind === 'area' ? [one.area.code] : [])));
  return withoutDoubles(await search(q), named).map((hit) => ({ kind: 'hit', hit }));
}

export function findingKey(one: Finding): string {
  switch (one.kind) {
    case 'code':
      return `code-${one.code}`;
    case 'area':
      return `area-${one.area.code}`;
    case 'queue':
      return 'queue';
    case 'hit':
      return hitKey(one.hit);
    case 'phone':
      return 'phone';
    case 'recent':
      return one.recent.id;
  }
}
