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
