/** Debian's Chromium, drawing in software, and pages that note every request that leaves the host. */
import { existsSync } from 'node:fs';
import { chromium, type Browser, type Page } from 'playwright-core';

export const CHROMIUM: string | null = [process.env.CHROMIUM_BIN, '/usr/bin/chromium'].find((path): path is string => path !== undefined && existsSync(path)) ?? null;

export function launch(): Promise<Browser> {
  return chromium.launch({
    ...(CHROMIUM !== null && { executablePath: CHROMIUM }),
    headless: true,
    args: [
      '--no-sandbox',
      '--enable-unsafe-swiftshader',
      '--use-angle=swiftshader',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  });
}

export interface Opened {
  readonly page: Page;
  /** Addresses asked for, without those of data and blobs. */
  readonly asked: string[];
  readonly errors: string[];
  close(): Promise<void>;
}

export async function open(browser: Browser, url: string, width: number, height: number): Promise<Opened> {
  const context = await browser.newContext({ viewport: { width, height }, hasTouch: width < 600, locale: 'id-ID' });
  const page = await context.newPage();
  const asked: string[] = [];
  const errors: string[] = [];
  page.on('request', (request) => {
    if (!/^(data|blob):/.test(request.url())) asked.push(request.url());
  });
  page.on('websocket', (socket) => asked.push(socket.url()));
  page.on('pageerror', (error) => errors.push(error.message));
  page.on('console', (message) => {
    if (message.type() === 'error' && /Content Security Policy|maplibre|pantau:/i.test(message.text())) errors.push(message.text());
  });
  await page.goto(url);
  return { page, asked, errors, close: () => context.close() };
}
