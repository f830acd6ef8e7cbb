/** The frames that the server's own tests pin under `tests/wire`, read by this client. */
import { readdirSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { expect, it } from 'vitest';
import { applyDelta, fromSnapshot } from './fold';
import { decodeFrame, type Frame } from './protocol';

const FOLDER = resolve(import.meta.dirname, '../../../tests/wire');
const CLIENT = ['ping.json', 'presence_ask.json', 'resume.json', 'subscribe.json', 'unsubscribe.json'];

function read(name: string): Frame {
  const frame = decodeFrame(readFileSync(resolve(FOLDER, name), 'utf8'));
  if (frame === null) throw new Error(`${name} is of a type that this client does not know`);
  return frame;
}

it('every pinned frame of the server is understood', () => {
  const names = readdirSync(FOLDER).filter((name) => name.endsWith('.json') && !CLIENT.includes(name));
  expect(names.length).toBeGreaterThan(8);
  const types = new Set(names.map((name) => read(name).type));
  expect([...types].sort()).toEqual(['alarm', 'delta', 'error', 'heartbeat', 'hello', 'pong', 'presence', 'snapshot']);
});

it.each([['snapshot.json', 'delta.json'], ['snapshot_public.json', 'delta_public.json']])('%s and %s add up', (before, after) => {
  const [snapshot, delta] = [read(before), read(after)];
  if (snapshot.type !== 'snapshot' || delta.type !== 'delta') throw new Error('pinned under a wrong name');
  const folded = applyDelta(fromSnapshot('epoch', snapshot), delta);
  if (folded.kind !== 'applied') throw new Error('a hole');
  expect(folded.view.seq).toBe(delta.seq);
  for (const id of delta.remove) expect(folded.view.items.has(id)).toBe(false);
  for (const item of delta.upsert) expect(folded.view.items.get(item.id)).toEqual(item);
  for (const hotspot of delta.hotspotUpsert) expect(folded.view.hotspots.get(hotspot.id)).toEqual(hotspot);
});
