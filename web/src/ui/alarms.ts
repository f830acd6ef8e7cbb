/** How an alarm is told: its word and the shape of its icon. */
import type { Alarm } from '../feed/protocol';

export type AlarmShape = 'bars' | 'clock' | 'rings';

/** The highest rung of the ladder. */
const HEAD_LEVEL = 2;

export interface AlarmLook {
  readonly word: 'alarm' | 'alarm.overdue' | 'alarm.surge';
  readonly shape: AlarmShape;
  readonly drill: boolean;
}

/** A kind of a newer server looks like a plain alarm. */
export function alarmLook(alarm: Alarm): AlarmLook {
  const drill = (alarm.surge ?? alarm.hotspot ?? alarm.incident)?.drill ?? false;
  if (alarm.kind === 'surge') return { word: 'alarm.surge', shape: 'bars', drill };
  return alarm.kind === 'overdue' ? { word: 'alarm.overdue', shape: 'clock', drill } : { word: 'alarm', shape: 'rings', drill };
}

/** Whom a console tells. */
export interface Told {
  readonly role: string;
  /** Whatever their role is. */
  readonly head: boolean;
}

/**
 * Whether the console tells it to them: what is late, to whoever is on duty at once, to those above them from the first
 * rung on, and to the head once it is theirs, and not before.
 */
export function toldAtConsole({ kind, level }: Alarm, { role, head }: Told): boolean {
  if (kind !== 'overdue') return false;
  if (head) return level >= HEAD_LEVEL;
  return role === 'supervisor' || role === 'admin' ? level > 0 : level === 0;
}

/** Whether the wall stops for it: what is late is told to whoever is on duty first, and to the whole room once it went further. */
export function stopsTheWall(alarm: Alarm): boolean {
  return alarm.kind !== 'overdue' || alarm.level > 0;
}
