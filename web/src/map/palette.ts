/** The colours of the map. The pages' own are in `style/tokens.css`; those that both need have the same values there. */
import type { ClockState, Status } from '../feed/protocol';

export type Theme = 'dark' | 'day';

/** Of the sign of a deadline. */
export interface SignColours {
  readonly fill: string;
  readonly line: string;
  /** What stands in it. */
  readonly ink: string;
}

export interface Palette {
  readonly sea: string;
  readonly deep: string;
  readonly land: string;
  readonly landNear: string;
  readonly landFar: string;
  readonly coast: string;
  readonly coastGlow: string;
  readonly district: string;
  readonly village: string;
  readonly name: string;
  readonly nameStrong: string;
  readonly halo: string;
  readonly mark: string;
  readonly panel: string;
  readonly panelLine: string;
  readonly text: string;
  readonly muted: string;
  readonly select: string;
  /** The ring of what is compared with the selected one. */
  readonly compare: string;
  readonly status: Readonly<Record<Status, string>>;
  readonly deadline: Readonly<Record<ClockState, SignColours>>;
  /** Weak to strong. */
  readonly ramp: readonly [string, string, string, string];
  readonly onRamp: string;
}

/**
 * The hotspots' ramp is the upper end of matplotlib's magma (perceptually even, safe for colour blindness): coral to
 * cream on dark, rose to plum by day. No category has these colours.
 */
export const PALETTES: Readonly<Record<Theme, Palette>> = {
  dark: {
    sea: '#0A131C',
    deep: '#070E16',
    land: '#1B2935',
    landNear: '#182530',
    landFar: '#16212C',
    coast: 'rgba(159,190,215,.34)',
    coastGlow: 'rgba(86,140,180,.16)',
    district: 'rgba(232,238,243,.26)',
    village: 'rgba(232,238,243,.08)',
    name: '#8699A9',
    nameStrong: '#A9BAC8',
    halo: '#0E1821',
    mark: '#8396A6',
    panel: '#101A24',
    panelLine: 'rgba(255,255,255,.22)',
    text: '#E8EEF3',
    muted: '#9FB0BF',
    select: '#FFFFFF',
    compare: '#56B4E9',
    status: { new: '#FF6B5E', verified: '#FF6B5E', in_progress: '#FFD23F', resolved: '#3DD68C', rejected: '#7C90A1' },
    deadline: {
      ok: { fill: '#101A24', line: '#3DD68C', ink: '#3DD68C' },
      soon: { fill: '#FFD23F', line: '#FFD23F', ink: '#12202B' },
      late: { fill: '#FF4F4F', line: '#FF4F4F', ink: '#101A24' },
      paused: { fill: '#101A24', line: '#9FB0BF', ink: '#9FB0BF' },
    },
    ramp: ['#F1605D', '#FD9668', '#FECA8D', '#FCF0B4'],
    onRamp: '#14100C',
  },
  day: {
    sea: '#DCE7EE',
    deep: '#CFDEE8',
    land: '#F7F5F0',
    landNear: '#F1EEE7',
    landFar: '#EAE6DE',
    coast: 'rgba(40,70,92,.5)',
    coastGlow: 'rgba(255,255,255,.7)',
    district: 'rgba(18,32,43,.34)',
    village: 'rgba(18,32,43,.12)',
    name: '#5A6B78',
    nameStrong: '#3A4A57',
    halo: '#F7F5F0',
    mark: '#5A6B78',
    panel: '#FFFFFF',
    panelLine: 'rgba(18,32,43,.28)',
    text: '#12202B',
    muted: '#44545F',
    select: '#12202B',
    compare: '#1F6FA3',
    status: { new: '#C8281B', verified: '#C8281B', in_progress: '#8F6A00', resolved: '#0B7A45', rejected: '#6B7A86' },
    deadline: {
      ok: { fill: '#FFFFFF', line: '#0B7A45', ink: '#0B7A45' },
      soon: { fill: '#FFC400', line: '#12202B', ink: '#12202B' },
      late: { fill: '#C8141B', line: '#C8141B', ink: '#FFFFFF' },
      paused: { fill: '#FFFFFF', line: '#44545F', ink: '#44545F' },
    },
    ramp: ['#DE4968', '#B73779', '#8C2981', '#641A80'],
    onRamp: '#FFFFFF',
  },
};

/** How strong a hotspot is drawn, 0..1: by its reports on a log scale, so that 6 and 60 differ as much as 60 and 600. */
export function heat(reports: number): number {
  const weakest = Math.log(3);
  const strongest = Math.log(150);
  return Math.min(1, Math.max(0, (Math.log(Math.max(1, reports)) - weakest) / (strongest - weakest)));
}

export function heatColour(ramp: Palette['ramp'], strength: number): string {
  const index = Math.min(3, Math.max(0, Math.round(strength * 3)));
  return ramp[index as 0 | 1 | 2 | 3];
}
