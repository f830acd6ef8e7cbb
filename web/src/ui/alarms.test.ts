import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { expect, it } from 'vitest';
import { decodeFrame, type Alarm } from '../feed/protocol';
import { alarmLook, stopsTheWall, toldAtConsole } from './alarms';

const WIRE = resolve(import.meta.dirname, '../../../tests/wire');

function pinned(name: string): Alarm {
  const frame = decodeFrame(readFileSync(resolve(WIRE, name), 'utf8'));
  if (frame?.type !== 'alarm') throw new Error(`${name} is no alarm`);
  return frame;
}

it('a surge has words, a shape and numbers of its own', () => {
  const alarm = pinned('alarm_surge.json');
  expect(alarm.hotspot).toBeNull();
  expect(alarm.surge).toMatchObject({ kind: 'surge', category: 'water', reports: 20, usual: 2, drill: false });
  expect(alarm.title.id).toMatch(/^Lonjakan laporan air bersih di .+: 20 hari ini, biasanya 2$/);
  expect(alarmLook(alarm)).toEqual({ word: 'alarm.surge', shape: 'bars', drill: false });
});

it('a hotspot looks like a hotspot, and so does what this page does not know', () => {
  const alarm = pinned('alarm.json');
  expect(alarm.surge).toBeNull();
  expect(alarmLook(alarm)).toEqual({ word: 'alarm', shape: 'rings', drill: false });
  expect(alarmLook({ ...alarm, kind: 'cap', hotspot: null }).word).toBe('alarm');
});

it('what is late stops the wall once it went to the supervisor', () => {
  const alarm = pinned('alarm_overdue.json');
  expect(alarm).toMatchObject({ kind: 'overdue', level: 1, hotspot: null, surge: null, incident: { category: 'garbage', overdue: true } });
  expect(alarm.title.en).toMatch(/^Verification overdue, to the supervisor: Garbage/);
  expect(alarmLook(alarm)).toEqual({ word: 'alarm.overdue', shape: 'clock', drill: false });
  expect([stopsTheWall(alarm), stopsTheWall({ ...alarm, level: 0 })]).toEqual([true, false]);
  expect(stopsTheWall(pinned('alarm_surge.json'))).toBe(true);
});

it('what is late is told at the console to who is on duty at once, to those above from the first rung on, and to the head once it is theirs', () => {
  const alarm = pinned('alarm_overdue.json');
  const levels = (role: string, head = false): readonly number[] => [0, 1, 2].filter((level) => toldAtConsole({ ...alarm, level }, { role, head }));
  for (const role of ['operator', 'agency', 'responder']) expect(levels(role), role).toEqual([0]);
  for (const role of ['supervisor', 'admin']) expect(levels(role), role).toEqual([1, 2]);
  for (const role of ['viewer', 'operator', 'supervisor', 'admin']) expect(levels(role, true), role).toEqual([2]);
  for (const other of ['alarm.json', 'alarm_surge.json']) for (const head of [false, true]) expect(toldAtConsole(pinned(other), { role: 'supervisor', head })).toBe(false);
});

it('a drill is marked', () => {
  const alarm = pinned('alarm_surge.json');
  if (alarm.surge === null) throw new Error('no surge');
  expect(alarmLook({ ...alarm, surge: { ...alarm.surge, drill: true } }).drill).toBe(true);
});
