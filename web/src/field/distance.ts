/** How far and which way, on the great circle. Pure. */
import type { LngLat } from '../feed/protocol';
import type { Key, Words } from '../i18n';

const EARTH_RADIUS_M = 6_371_008.8;
const DIRECTIONS = ['n', 'ne', 'e', 'se', 's', 'sw', 'w', 'nw'] as const;
type Direction = (typeof DIRECTIONS)[number];

export function distance_m([lng1, lat1]: LngLat, [lng2, lat2]: LngLat): number {
  const [a, b] = [rad(lat1), rad(lat2)];
  const h = Math.sin((b - a) / 2) ** 2 + Math.cos(a) * Math.cos(b) * Math.sin(rad(lng2 - lng1) / 2) ** 2;
  return 2 * EARTH_RADIUS_M * Math.asin(Math.min(1, Math.sqrt(h)));
}

/** Where `to` lies as seen from `from`. */
export function direction([lng1, lat1]: LngLat, [lng2, lat2]: LngLat): Direction {
  const [a, b, d] = [rad(lat1), rad(lat2), rad(lng2 - lng1)];
  const bearing = Math.atan2(Math.sin(d) * Math.cos(b), Math.cos(a) * Math.sin(b) - Math.sin(a) * Math.cos(b) * Math.cos(d));
  const eighth = Math.round(bearing / (Math.PI / 4));
  return DIRECTIONS[(eighth + 8) % 8] ?? 'n';
}

/** `350 m timur laut`, `2,4 km selatan` */
export function sayWay(words: Words, from: LngLat, to: LngLat): string {
  const metres = distance_m(from, to);
  const near = metres < 950;
  const far = near
    ? words.t('field.metres', { n: Math.round(metres / 10) * 10 })
    : words.t('field.kilometres', { n: metres < 9_950 ? Math.round(metres / 100) / 10 : Math.round(metres / 1000) });
  return `${far} ${words.t(`bearing.${direction(from, to)}` satisfies Key)}`;
}

function rad(degrees: number): number {
  return (degrees * Math.PI) / 180;
}
