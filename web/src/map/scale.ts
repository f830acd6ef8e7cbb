/** A round distance for the scale bar. Pure. */
const EARTH_M = 40_075_016.686;
const TILE_PX = 512;

export interface ScaleBar {
  readonly metres: number;
  readonly width_px: number;
}

/** The longest of 1, 2 or 5 times a power of ten that fits into `width_px_max` at this latitude and zoom. */
export function scaleBar(lat: number, zoom: number, width_px_max: number): ScaleBar {
  const metresPerPx = (EARTH_M * Math.cos((lat * Math.PI) / 180)) / (TILE_PX * 2 ** zoom);
  const longest = metresPerPx * width_px_max;
  const power = 10 ** Math.floor(Math.log10(longest));
  const metres = [5, 2, 1].map((step) => step * power).find((one) => one <= longest) ?? power;
  return { metres, width_px: metres / metresPerPx };
}
