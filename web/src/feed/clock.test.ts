import { expect, it } from 'vitest';
import { retryDelay_ms } from './backoff';
import { correctClock, holdClock, serverNow, startClock } from './clock';

it('the server time runs at the server speed', () => {
  const clock = startClock(1_000_000, 60, 500);
  expect(serverNow(clock, 1_500)).toBe(1_000_000 + 60_000);
});

it('a heartbeat within the jitter leaves the clock alone, a real error is corrected', () => {
  const clock = startClock(1_000_000, 1, 0);
  expect(correctClock(clock, 1_010_200, 1, 10_000)).toBe(clock);
  expect(serverNow(correctClock(clock, 1_013_000, 1, 10_000), 11_000)).toBe(1_014_000);
});

it('a replay whose clock is set runs at its new speed from there', () => {
  const standing = startClock(1_000_000, 0, 0);
  expect(serverNow(correctClock(standing, 2_000_000, 1_200, 10_000), 11_000)).toBe(2_000_000 + 1_200_000);
});

it('of a lost line a replay stands still at its last moment, real time runs on', () => {
  const replay = holdClock(startClock(1_000_000, 1_200, 0), 500);
  expect([serverNow(replay, 500), serverNow(replay, 90_000)]).toEqual([1_600_000, 1_600_000]);
  const real = holdClock(startClock(1_000_000, 1, 0), 500);
  expect(serverNow(real, 90_000)).toBe(1_090_000);
});

it('the wait before the next try grows to a ceiling and is never twice the same for all', () => {
  expect(retryDelay_ms(0, 0)).toBe(250);
  expect(retryDelay_ms(0, 0.999)).toBeLessThan(500);
  expect(retryDelay_ms(40, 0)).toBe(7_500);
  expect(retryDelay_ms(40, 0.999)).toBeLessThanOrEqual(15_000);
});
