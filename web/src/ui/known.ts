/** An address may be older than the city pack: what the pack does not know would be refused, and the page stay empty. Pure. */
import type { City } from '../feed/city';

interface Chosen {
  readonly categories: readonly string[];
  readonly areas: readonly string[];
  readonly agencies?: readonly string[];
}

/** The choice without what this city does not have. */
export function knownTo<T extends Chosen>(city: Pick<City, 'categories' | 'agencies'>, areas: readonly { readonly code: string }[], choice: T): T {
  const known = (all: readonly { readonly key: string }[], keys: readonly string[]): readonly string[] => keys.filter((key) => all.some((one) => one.key === key));
  return {
    ...choice,
    categories: known(city.categories, choice.categories),
    areas: choice.areas.filter((code) => areas.some((area) => area.code === code)),
    ...(choice.agencies !== undefined && { agencies: known(city.agencies, choice.agencies) }),
  };
}
