/** What a link brings behind its `#`: a one-time link's secret, or a wall's token. */
export type Secret = { readonly kind: 'link' | 'token'; readonly value: string } | null;

/** Reads it and takes it out of the address bar and the history at once. */
export function takeSecret(
  location: Pick<Location, 'hash' | 'pathname' | 'search'>,
  history: Pick<History, 'replaceState'>,
): Secret {
  const found = /^#(link|token)=([\w-]+)$/.exec(location.hash);
  if (location.hash !== '') history.replaceState(null, '', location.pathname + location.search);
  if (found === null || found[2] === undefined) return null;
  return { kind: found[1] === 'link' ? 'link' : 'token', value: found[2] };
}

/** Where to go after signing in: a page of ours, or none. */
export function nextPage(query: URLSearchParams): string | null {
  const asked = query.get('next');
  return asked !== null && /^\/[a-z]*(\?[\w=&.%-]*)?$/i.test(asked) ? asked : null;
}

/** Where to sign in and come back from to what is shown now, in the same language. */
export function signInFrom({ pathname, search }: Pick<Location, 'pathname' | 'search'>): string {
  // Only signs that `nextPage` takes: what else an address may hold is written by its number.
  const plain = search.replaceAll('+', '%20').replace(/[^\w?=&.%-]/g, (sign) => `%${(sign.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(2, '0')}`);
  const lang = new URLSearchParams(search).get('lang');
  return `/login?next=${encodeURIComponent(pathname + plain)}${lang === 'id' || lang === 'en' ? `&lang=${lang}` : ''}`;
}

/** Why a single sign-on brought the browser back here; it is taken out of the address bar, so that it is said once. */
export function takeSso(
  query: URLSearchParams,
  location: Pick<Location, 'pathname'>,
  history: Pick<History, 'replaceState'>,
): string | null {
  const key = query.get('sso');
  if (key === null) return null;
  query.delete('sso');
  history.replaceState(null, '', query.size === 0 ? location.pathname : `${location.pathname}?${query}`);
  return /^[a-z]+$/.test(key) ? key : 'failed';
}
