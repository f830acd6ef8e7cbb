/** A sentence of the server that breaks neither between a number and what it counts nor before a time of day. Pure. */
export function glued(text: string): string {
  return text.replace(/(?<=(?:^|[^\d.:])(?:\d{1,3}(?:[.,]\d{3})+|\d+)) (?=\p{L})|(?<=\p{L}) (?=\d\d[.:]\d\d)/gu, '\u00a0');
}
