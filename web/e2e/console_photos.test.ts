/** Photos in the console and in the field, against the real server. */
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { findings, still } from './axe';
import { CHROMIUM, launch, open, tooWide, type Opened } from './browser';
import { desk, PASSWORD, signIn } from './desk';
import { BINARY, Pantau, until } from './pantau';

if (BINARY === null || CHROMIUM === null) console.warn(`skipped, no ${BINARY === null ? 'pantau binary (PANTAU_BIN)' : 'Chromium (CHROMIUM_BIN)'}: e2e/console_photos.test.ts`);

describe.skipIf(BINARY === null || CHROMIUM === null)('photos of an incident', { timeout: 300_000 }, () => {
  let server: Pantau;
  let browser: Browser;
  let jpeg: Buffer;

  beforeAll(async () => {
    [server, browser] = await Promise.all([Pantau.start(), launch()]);
    jpeg = await picture();
  });

  afterAll(async () => {
    await browser?.close();
    await server?.remove();
  });

  /** A real JPEG, as a camera's canvas makes it. */
  async function picture(): Promise<Buffer> {
    const page = await browser.newPage();
    const address = await page.evaluate(() => {
      const canvas = document.createElement('canvas');
      [canvas.width, canvas.height] = [640, 480];
      const c = canvas.getContext('2d');
      if (c === null) throw new Error('no canvas');
      c.fillStyle = '#4a6b3a';
      c.fillRect(0, 0, 640, 480);
      c.fillStyle = '#c9b89a';
      c.fillRect(120, 200, 400, 200);
      return canvas.toDataURL('image/jpeg', 0.8);
    });
    await page.close();
    return Buffer.from(address.split(',')[1] ?? '', 'base64');
  }

  const look = (path: string, width: number, height: number): Promise<Opened> =>
    open(browser, server.url + path, width, height, async (page) => {
      await still(page);
      await desk(page);
    });
  const clean = async ({ page }: Opened, state: string): Promise<void> => {
    const found = await findings(page);
    expect.soft(found, `${state}:\n${found.join('\n')}`).toEqual([]);
  };
  const photos = async (incident: string): Promise<any[]> => (await server.get(`/api/v1/incidents/${incident}`)).properties.photos ?? [];
  const file = (name: string, buffer: Buffer): { name: string; mimeType: string; buffer: Buffer } => ({ name, mimeType: 'image/jpeg', buffer });
  const add = (page: Page, kind: 'before' | 'after', buffer = jpeg): Promise<void> => page.setInputFiles(`[data-choose="${kind}"]`, file('jalan.jpg', buffer));

  it('what needs a photo of the repair asks for it where it is resolved, and is resolved with it', async () => {
    const incident = await server.report('infrastructure', 127.3841, 0.7911);
    for (const action of ['verify', 'start']) await server.act(incident, action);
    const console = await look(`/console?incident=i:${incident}`, 1366, 768);
    const { page } = console;
    await page.waitForSelector('[data-action="resolve"] [data-needs-photo]');
    await page.keyboard.press('r');
    await page.waitForSelector('[data-repair="wanted"]');
    await page.keyboard.type('aspal ditambal');
    await page.keyboard.press('Enter');
    await page.waitForSelector('form [role="alert"]');
    await clean(console, 'a photo is wanted');
    await add(page, 'after');
    await page.waitForSelector('[data-repair="there"]');
    expect(await page.inputValue('[data-form="resolve"] textarea')).toBe('aspal ditambal');
    await page.focus('[data-form="resolve"] textarea');
    await page.keyboard.press('Enter');
    await page.click('[data-send-now]');
    await until(20_000, () => 'it is resolved', async () => (await server.get(`/api/v1/incidents/${incident}`)).properties.status === 'resolved');
    expect((await photos(incident)).map(({ kind }) => kind)).toEqual(['after']);
    await console.close();
  });

  it('is looked at large by one key, made public and hidden again', async () => {
    const incident = await server.report('garbage', 127.3841, 0.7911);
    await server.act(incident, 'verify');
    const console = await look(`/console?incident=i:${incident}`, 1366, 768);
    const { page } = console;
    await page.click('[data-add]');
    await add(page, 'before');
    await page.waitForSelector('[data-gallery="1"]');
    await add(page, 'after');
    await page.waitForSelector('[data-gallery="2"]');
    await page.waitForFunction(() => [...document.querySelectorAll<HTMLImageElement>('[data-gallery] img')].every(({ naturalWidth }) => naturalWidth > 0));
    await clean(console, 'gallery');
    // Also from where the file was chosen.
    await page.focus('[data-choose="after"]');
    await page.keyboard.press('i');
    await page.waitForSelector('[data-viewer]');
    const first = await page.getAttribute('[data-viewer]', 'data-viewer');
    await page.waitForFunction(() => (document.querySelector<HTMLImageElement>('[data-viewer] img')?.naturalWidth ?? 0) >= 640);
    await clean(console, 'one photo, large');
    await page.click('[data-publish="release"]');
    await page.waitForSelector('[data-publish="withdraw"]');
    expect((await photos(incident)).filter((photo) => photo.public).map(({ id }) => id)).toEqual([first]);
    await page.click('[data-publish="withdraw"]');
    await page.waitForSelector('[data-publish="release"]');
    expect((await photos(incident)).some((photo) => photo.public)).toBe(false);
    await page.keyboard.press('ArrowRight');
    await page.waitForFunction((id) => document.querySelector('[data-viewer]')?.getAttribute('data-viewer') !== id, first);
    await page.keyboard.press('Escape');
    await page.waitForSelector('[data-viewer]', { state: 'detached' });
    await page.waitForSelector(`[data-incident="i:${incident}"]`);
    await console.close();
  });

  it('that is no picture is not sent; one that meets no network is kept, also by the page after, and goes out', async () => {
    const incident = await server.report('water', 127.3841, 0.7911);
    await server.act(incident, 'verify');
    const console = await look(`/console?incident=i:${incident}`, 1366, 768);
    const { page } = console;
    await page.click('[data-add]');
    await add(page, 'before', Buffer.from('bukan gambar'));
    await page.waitForSelector('[data-upload="refused"][data-fault="kind"]');
    await page.route('**/api/v1/incidents/*/photos', (route) => route.abort());
    await add(page, 'before');
    await page.waitForSelector('[data-upload="lost"]');
    await clean(console, 'not sent');
    await page.click('[data-upload="lost"] [data-drop-photo="drop"]');
    await page.waitForSelector('[data-upload="dropped"] [data-drop-photo="back"]:focus');
    await clean(console, 'thrown away');
    await page.keyboard.press('Enter');
    await page.waitForSelector('[data-upload="lost"]');
    expect(await photos(incident)).toEqual([]);
    await page.unroute('**/api/v1/incidents/*/photos');
    await page.reload();
    await page.waitForSelector('[data-gallery="1"]');
    expect(await photos(incident)).toHaveLength(1);
    await console.close();
  });

  it('an agency adds them to its own on a phone, where the camera opens', async () => {
    const name = await server.account('agency', PASSWORD, ['--agency', 'dlh']);
    const incident = await server.report('garbage', 127.3835, 0.7925);
    await server.act(incident, 'verify');
    const phone = await look('/login', 390, 844);
    const { page } = phone;
    await signIn(page, name);
    await page.goto(`${server.url}/field?incident=i:${incident}`);
    await page.waitForSelector(`[data-detail="i:${incident}"]`);
    await page.waitForSelector('[data-take="after"][capture="environment"]', { state: 'attached' });
    await page.setInputFiles('[data-take="after"]', file('kamera.jpg', jpeg));
    await page.waitForSelector('[data-gallery="1"]');
    expect((await photos(incident)).map(({ kind, by }) => [kind, by])).toEqual([['after', name]]);
    expect(await tooWide(page)).toEqual([]);
    await clean(phone, 'photos on a phone');
    await page.click('[data-photo]');
    await page.waitForSelector('[data-viewer]');
    // They answer for their own, so they say whether the public sees it.
    await page.click('[data-publish="release"]');
    await page.waitForSelector('[data-seen-by="public"]');
    expect((await photos(incident)).map((photo) => photo.public)).toEqual([true]);
    await phone.close();
  });
});
