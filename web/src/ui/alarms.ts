/** How an alarm is told: its word and the shape of its icon. */
import type { Alarm } from '../feed/protocol';

export type AlarmShape = 'bars' | 'clock' | 'rings';

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

/**
 * Whether the console tells it to somebody of this role: what is late, to whoever is on duty at once, and to those above
 * them from the first rung on. For the head there is no role: they are told with the supervisors, and by the wall.
 */
export function toldAtConsole({ kind, level }: Alarm, role: string): boolean {
  const above = role === 'supervisor' || role === 'admin';
  return kind === 'overdue' && (above ? level > 0 : level === 0);
}

/** Whether the wall stops for it: what is late is told to whoever is on duty first, and to the whole room once it went further. */
export function stopsTheWall(alarm: Alarm): boolean {
  return alarm.kind !== 'overdue' || alarm.level > 0;
}
