/** The smallest update that turns one set of drawn features into another. Pure; the map source takes the result as it is. */
import type { GeoJSONSourceDiff } from 'maplibre-gl';

export interface DrawnFeature extends GeoJSON.Feature {
  readonly id: string;
  readonly properties: Readonly<Record<string, string | number | boolean>>;
}

export type Drawn = ReadonlyMap<string, DrawnFeature>;

/** `null`: nothing to do, leave the source alone. */
export function toSourceDiff(before: Drawn, after: Drawn): GeoJSONSourceDiff | null {
  const remove = [...before.keys()].filter((id) => !after.has(id));
  const add = [...after.values()].filter((feature) => !sameFeature(before.get(feature.id), feature));
  if (remove.length === 0 && add.length === 0) return null;
  // To the source, adding a known id replaces that feature.
  return { remove, add };
}

function sameFeature(a: DrawnFeature | undefined, b: DrawnFeature): boolean {
  if (a === undefined) return false;
  if (a === b) return true;
  return JSON.stringify(a.properties) === JSON.stringify(b.properties) && JSON.stringify(a.geometry) === JSON.stringify(b.geometry);
}
