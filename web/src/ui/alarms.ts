/** How an alarm is told: its word and the shape of its icon. */
import type { Alarm } from '../feed/protocol';

export type AlarmShape = 'bars' | 'rings';

export interface AlarmLook {
  readonly word: 'alarm' | 'alarm.surge';
  readonly shape: AlarmShape;
  readonly drill: boolean;
}

/** A kind of a newer server looks like a plain alarm. */
export function alarmLook(alarm: Alarm): AlarmLook {
  const drill = (alarm.surge ?? alarm.hotspot)?.drill ?? false;
  return alarm.kind === 'surge' ? { word: 'alarm.surge', shape: 'bars', drill } : { word: 'alarm', shape: 'rings', drill };
}
