import { describe, expect, it } from 'vitest';
import { NOWHERE, othersAt, othersByIncident, Whereabout, type Timers } from './presence';
import type { Person } from './protocol';

const person = (who: string, incident: string | null, editing = false, sinceMs = 0): Person => ({ who, name: who, incident, editing, sinceMs });

describe('where the reader is', () => {
  it('is said once, and again when it changed', () => {
    const t = bench();
    t.open();
    t.at('i:1');
    t.at('i:1');
    expect(t.said).toEqual(['i:1']);
    t.wait(600);
    t.at('i:1', true);
    expect(t.said).toEqual(['i:1', 'i:1 edits']);
  });

  it('is said twice a second at most, however fast the reader steps, and the last word is said', () => {
    const t = bench();
    t.open();
    for (let n = 1; n <= 40; n++) {
      t.at(`i:${n}`);
      t.wait(30);
    }
    t.wait(500);
    expect(t.said.length).toBeLessThanOrEqual(4);
    expect(t.said.at(-1)).toBe('i:40');
    t.wait(10_000);
    expect(t.said.at(-1)).toBe('i:40');
  });

  it('is not said where nobody wants to know, and is said again on a new socket', () => {
    const t = bench();
    t.at('i:1');
    t.wait(5_000);
    expect(t.said).toEqual([]);
    t.open();
    t.shut();
    t.at('i:2');
    t.wait(5_000);
    expect(t.said).toEqual(['i:1']);
    t.open();
    expect(t.said).toEqual(['i:1', 'i:2']);
  });

  it('a word that waits for its turn is not said to a socket that is gone', () => {
    const t = bench();
    t.open();
    t.at('i:1');
    t.at('i:2');
    t.shut();
    t.wait(5_000);
    expect(t.said).toEqual(['i:1']);
  });
});

describe('the others', () => {
  it('are those at the incident but the reader, whoever edits first', () => {
    const people = [person('ani', 'i:1', false, 1), person('budi', 'i:1', false, 3), person('citra', 'i:1', true, 9), person('dina', 'i:2'), person('eko', null)];
    expect(othersAt(people, 'ani', 'i:1').map(({ who }) => who)).toEqual(['citra', 'budi']);
    expect(othersAt(people, null, 'i:3')).toEqual([]);
    const byIncident = othersByIncident(people, 'dina');
    expect([...byIncident.keys()]).toEqual(['i:1']);
    expect(byIncident.get('i:1')).toHaveLength(3);
  });
});

function bench() {
  let now_ms = 0;
  let timers: { at_ms: number; run: () => void; id: number }[] = [];
  let ids = 0;
  const said: string[] = [];
  const around: Timers = {
    now_ms: () => now_ms,
    setTimer: (run, ms) => {
      timers.push({ at_ms: now_ms + ms, run, id: ++ids });
      return ids;
    },
    clearTimer: (id) => void (timers = timers.filter((timer) => timer.id !== id)),
  };
  const teller = new Whereabout(around);
  return {
    said,
    open: () => teller.opened((message) => {
      const { incident, editing } = message as { incident: string; editing: boolean };
      said.push(editing ? `${incident} edits` : incident);
    }),
    shut: () => teller.closed(),
    at: (incident: string | null, editing = false) => teller.set(incident === null ? NOWHERE : { incident, editing }),
    wait: (ms: number) => {
      const until_ms = now_ms + ms;
      for (;;) {
        const next = timers.filter(({ at_ms }) => at_ms <= until_ms).sort((a, b) => a.at_ms - b.at_ms)[0];
        if (next === undefined) break;
        timers = timers.filter((timer) => timer !== next);
        now_ms = next.at_ms;
        next.run();
      }
      now_ms = until_ms;
    },
  };
}
