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

/** Whether the wall stops for it: what is late is told to whoever is on duty first, and to the whole room once it went further. */
export function stopsTheWall(alarm: Alarm): boolean {
  return alarm.kind !== 'overdue' || alarm.level > 0;
}
