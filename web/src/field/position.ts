/** Where the phone is, for as long as whoever holds it wants to know. */
import type { LngLat } from '../feed/protocol';

/** `denied`: the phone may not tell. `lost`: it does not know just now, and goes on looking. */
export type PlaceFault = 'denied' | 'lost';

/** As `GeolocationPositionError` numbers it. */
const PERMISSION_DENIED = 1;

/** Returns how to stop; nothing is told after that. */
export function watchPlace(source: Geolocation | undefined, found: (at: LngLat) => void, failed: (why: PlaceFault) => void): () => void {
  // A page that did not come by https is not told where it is.
  if (source === undefined) {
    queueMicrotask(() => failed('denied'));
    return () => undefined;
  }
  const watch = source.watchPosition(
    ({ coords }) => found([coords.longitude, coords.latitude]),
    ({ code }) => failed(code === PERMISSION_DENIED ? 'denied' : 'lost'),
    { enableHighAccuracy: true, maximumAge: 10_000 },
  );
  return () => source.clearWatch(watch);
}
