/**
 * Category icons by the names that city packs use: a curated set of @mapbox/maki and @rapideditor/temaki (both CC0),
 * as outlines in a square of 15 by 15. An unknown name is drawn as a plain dot, so a city may add categories freely.
 */
const maki = import.meta.glob<string>(
  [
    '/node_modules/@mapbox/maki/icons/{animal-shelter,barrier,bicycle,bridge,building,bus,car,caution,communications-tower,construction,cross,dam,danger,doctor,drinking-water,emergency-phone,ferry,fire-station,harbor,home,hospital,industry,landuse,lighthouse,mobile-phone,mountain,natural,park,parking,police,recycling,religious-muslim,residential-community,road-accident,roadblock,school,shelter,shop,telephone,toilet,town-hall,veterinary,volcano,waste-basket,water,waterfall,wetland,airport}.svg',
  ],
  { query: '?raw', import: 'default', eager: true },
);
const temaki = import.meta.glob<string>(
  [
    '/node_modules/@rapideditor/temaki/icons/{bulb,cliff_falling_rocks,fire_hydrant,junction,manhole,pedestrian,pipe,power,power_pole,power_tower,social_facility,speaker,storage_tank,street_lamp_arm,traffic_signals,tree_broadleaved,truck,utility_pole,waste,water_tap,water_tower,windsock,boat}.svg',
  ],
  { query: '?raw', import: 'default', eager: true },
);

export const ICON_BOX = 15;
/** The name of our own sign for several categories together. */
export const ALL_ICON = 'pantau:all';
const FOUR_DOTS = [4, 11].flatMap((x) => [4, 11].map((y) => `M${x - 2.6} ${y}a2.6 2.6 0 1 0 5.2 0a2.6 2.6 0 1 0 -5.2 0Z`)).join('');
const DOT = 'M7.5 3.5a4 4 0 1 1 0 8a4 4 0 0 1 0-8Z';

/** The outline of an icon as SVG path data. */
export function iconPath(name: string): string {
  return PATHS.get(name) ?? DOT;
}

const PATHS: ReadonlyMap<string, string> = new Map([
  [ALL_ICON, FOUR_DOTS],
  ...[...Object.entries(temaki), ...Object.entries(maki)].map(
    ([file, svg]): [string, string] => [nameOf(file), pathOf(svg)],
  ),
]);

function nameOf(file: string): string {
  return file.slice(file.lastIndexOf('/') + 1, -'.svg'.length);
}

function pathOf(svg: string): string {
  return [...svg.matchAll(/<path[^>]*\sd="([^"]+)"/g)].map(([, d]) => (d ?? '').replace(/&#x[0-9A-Fa-f]+;/g, ' ')).join(' ');
}
