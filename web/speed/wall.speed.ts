/** The wall under load: time to the first picture, frames and long tasks while changes come in, heap over time. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { CDPSession, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, it } from 'vitest';
import { CHROMIUM, launch, open } from '../e2e/browser';
import { BINARY, Pantau, until } from '../e2e/pantau';

const INCIDENTS = Number(process.env.INCIDENTS ?? 100_000);
const CHANGES_PER_S = Number(process.env.CHANGES ?? 50);
const MINUTES = Number(process.env.MINUTES ?? 3);
/** Of the page. Smaller where only the heap is looked at: pictures drawn in software take the processor. */
const [WIDTH, HEIGHT] = (process.env.SIZE ?? '1920x1080').split('x').map(Number) as [number, number];
const CATEGORIES = ['garbage', 'traffic', 'water', 'infrastructure', 'accident', 'disaster', 'social'];

const MAPPING = `[columns]
id = "id"
lng = "lng"
lat = "lat"
occurred_at = "at"
category = "category"

[time]
format = "rfc3339"

[category]
default = "garbage"

[status]
default = "verified"
`;

describe.skipIf(BINARY === null || CHROMIUM === null)('the wall under load', () => {
  let server: Pantau;
  const random = seeded(7);
  let corners: [number, number][];

  beforeAll(async () => {
    server = await Pantau.start();
    const { features } = await server.get('/api/v1/areas');
    corners = features.flatMap((area: any) => area.geometry.coordinates.flat(area.geometry.type === 'Polygon' ? 1 : 2));
    await importIncidents();
  });

  afterAll(() => server?.remove());

  it(`shows ${INCIDENTS} incidents and ${CHANGES_PER_S} changes a second`, async () => {
    const browser = await launch();
    const began_ms = performance.now();
    const { page } = await open(browser, `${server.url}/wall?bbox=126.0,0.3,127.6,1.5`, WIDTH, HEIGHT);
    await page.waitForSelector('[data-phase="live"]');
    const total = (await server.get('/api/v1/stats')).total;
    await until(60_000, () => 'the map shows all', async () => Number(await page.getAttribute('.map', 'data-shown')) === total);
    const shown_ms = performance.now() - began_ms;
    const painted_ms = await page.evaluate(() => performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? NaN);
    say(`${total} incidents at ${WIDTH}x${HEIGHT}: first paint after ${painted_ms.toFixed(0)} ms, all on the map after ${shown_ms.toFixed(0)} ms`);
    await page.screenshot({ path: '/tmp/pantau-wall.png' });

    const devtools = await page.context().newCDPSession(page);
    say(`heap at rest: ${await heap_mb(devtools)} MB`);
    await watchFrames(page);
    const still = await frames(page, 10);
    say(`at rest, 10 s: ${still}`);
    const load = startLoad();
    for (let minute = 1; minute <= MINUTES; minute++) {
      const seen = await frames(page, 60);
      say(`minute ${minute} at ${CHANGES_PER_S} changes/s: ${seen}; heap ${await heap_mb(devtools)} MB`);
    }
    say(`sent ${await load.end()} reports`);
    await page.screenshot({ path: '/tmp/pantau-wall-loaded.png' });
    await browser.close();
  }, MINUTES * 60_000 + 180_000);

  function place(): [number, number] {
    const [lng, lat] = corners[Math.floor(random() * corners.length)]!;
    const near = (): number => (random() + random() + random() - 1.5) * 0.004;
    return [lng + near(), lat + near()];
  }

  async function importIncidents(): Promise<void> {
    const now_ms = Date.now();
    const row = (_: unknown, id: number): string => {
      const [lng, lat] = place();
      const at = new Date(now_ms - random() * 14 * 86_400_000).toISOString();
      return `${id},${lng.toFixed(6)},${lat.toFixed(6)},${at},${CATEGORIES[id % CATEGORIES.length]}`;
    };
    const [file, map] = [join(server.dir, 'speed.csv'), join(server.dir, 'speed.toml')];
    writeFileSync(file, ['id,lng,lat,at,category', ...Array.from({ length: INCIDENTS }, row)].join('\n'));
    writeFileSync(map, MAPPING);
    const importer = spawn(BINARY!, ['import', file, '--map', map, '--url', server.url], { stdio: ['ignore', 'ignore', 'inherit'] });
    const [code] = await once(importer, 'exit');
    if (code !== 0) throw new Error(`the import ended with ${code}`);
  }

  function startLoad(): { end(): Promise<number> } {
    let sent = 0;
    let failed = 0;
    const timer = setInterval(() => {
      const [lng, lat] = place();
      const category = CATEGORIES[sent % CATEGORIES.length]!;
      sent += 1;
      server.report(category, lng, lat).catch(() => (failed += 1));
    }, 1_000 / CHANGES_PER_S);
    return {
      async end() {
        clearInterval(timer);
        return sent - failed;
      },
    };
  }
});

/** Notes the time between frames, and the tasks of 50 ms and more that held the page up. */
async function watchFrames(page: Page): Promise<void> {
  await page.evaluate(() => {
    const seen = { frames: [] as number[], tasks: [] as number[] };
    (window as any).seen = seen;
    let last = performance.now();
    const frame = (now: number): void => {
      seen.frames.push(now - last);
      last = now;
      requestAnimationFrame(frame);
    };
    requestAnimationFrame(frame);
    new PerformanceObserver((list) => seen.tasks.push(...list.getEntries().map((entry) => entry.duration))).observe({ entryTypes: ['longtask'] });
  });
}

async function frames(page: Page, seconds: number): Promise<string> {
  await page.evaluate(() => Object.values((window as any).seen).forEach((list) => ((list as number[]).length = 0)));
  await new Promise((resolve) => setTimeout(resolve, seconds * 1_000));
  const { frames, tasks } = (await page.evaluate(() => (window as any).seen)) as { frames: number[]; tasks: number[] };
  const sorted = frames.toSorted((a, b) => a - b);
  const at = (share: number): string => (sorted[Math.floor(share * (sorted.length - 1))] ?? NaN).toFixed(0);
  return `${sorted.length} frames, p50 ${at(0.5)} ms, p95 ${at(0.95)} ms, p99 ${at(0.99)} ms, longest ${at(1)} ms; ${tasks.length} long tasks, longest ${Math.max(0, ...tasks).toFixed(0)} ms`;
}

/** After a collection. */
async function heap_mb(devtools: CDPSession): Promise<string> {
  await devtools.send('HeapProfiler.collectGarbage');
  const { usedSize } = await devtools.send('Runtime.getHeapUsage');
  return (usedSize / 1e6).toFixed(1);
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** The same numbers in every run (a linear congruential generator). */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}
