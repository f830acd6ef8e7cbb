/** The published examples of the wire, read by this client: the document and the pages cannot drift apart. */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { expect, it } from 'vitest';
import { applyDelta, fromSnapshot } from './fold';
import { decodeFrame, type Frame } from './protocol';

const DOCUMENT = resolve(import.meta.dirname, '../../../docs/live-protocol.md');
const CLIENT = ['subscribe', 'unsubscribe', 'ping'];
/** Both sides have a message of this name; the server's names people. */
const isOfClient = (message: { type: string; people?: unknown }): boolean => CLIENT.includes(message.type) || (message.type === 'presence' && message.people === undefined);

const frames = [...readFileSync(DOCUMENT, 'utf8').matchAll(/```json\n([\s\S]*?)```/g)]
  .map(([, text]) => text ?? '')
  .filter((text) => !isOfClient(JSON.parse(text) as { type: string }))
  .map((text) => decodeFrame(text));

function frame<T extends Frame['type']>(type: T): Extract<Frame, { type: T }> {
  const found = frames.find((one): one is Extract<Frame, { type: T }> => one?.type === type);
  if (found === undefined) throw new Error(`the document has no example of ${type}`);
  return found;
}

it('every frame of the server has an example that this client understands', () => {
  for (const type of ['hello', 'snapshot', 'delta', 'alarm', 'heartbeat', 'error', 'pong', 'presence'] as const) expect(frame(type).type).toBe(type);
  expect(frames).not.toContain(null);
});

it('the example delta folds into the example snapshot', () => {
  const [snapshot, delta] = [frame('snapshot'), frame('delta')];
  const folded = applyDelta(fromSnapshot(frame('hello').epoch, snapshot), delta);
  if (folded.kind !== 'applied') throw new Error('a hole');
  expect(folded.view.seq).toBe(delta.seq);
  for (const key of delta.remove) expect(folded.view.items.has(key)).toBe(false);
  for (const item of delta.upsert) expect(folded.view.items.get(item.id)).toEqual(item);
  expect(folded.view.hotspots.size).toBe(0);
  expect(folded.view.stats).toEqual(delta.stats);
});
