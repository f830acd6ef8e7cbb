/** The quiet marks of the ground: volcano, harbour, airport. Islands and towns are names only. */
import type { Mark } from './draw';
import { iconPath, ICON_BOX } from './icons';

export const GROUND_MARKS = ['volcano', 'harbour', 'airport', 'island', 'town'] as const;
type GroundMark = (typeof GROUND_MARKS)[number];

const ICONS: Readonly<Record<GroundMark, string | null>> = {
  volcano: 'volcano',
  harbour: 'harbor',
  airport: 'airport',
  island: null,
  town: null,
};

export function drawGroundMark(kind: GroundMark, size_px: number, ratio: number, colour: string): Mark {
  const canvas = document.createElement('canvas');
  canvas.width = canvas.height = Math.ceil(size_px * ratio);
  const context = canvas.getContext('2d', { willReadFrequently: true });
  if (context === null) throw new Error('no 2D canvas');
  const icon = ICONS[kind];
  if (icon !== null) {
    context.scale((size_px * ratio) / ICON_BOX, (size_px * ratio) / ICON_BOX);
    context.fillStyle = colour;
    context.fill(new Path2D(iconPath(icon)));
  }
  return { image: context.getImageData(0, 0, canvas.width, canvas.height), w: size_px, h: size_px };
}
