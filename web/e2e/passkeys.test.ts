/** Signing in with a passkey: a real browser with an authenticator of its own, at the server's name. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Browser, CDPSession, Page } from 'playwright-core';
import { CHROMIUM, launch, open, tooWide, type Opened } from './browser';
import { BINARY, Pantau } from './pantau';

const PASSWORD = 'tiga kata pendek';

describe.skipIf(BINARY === null || CHROMIUM === null)('passkeys', () => {
  let server: Pantau;
  let browser: Browser;

  beforeAll(async () => {
    server = await Pantau.start('ternate', []);
    server.command(['user', 'add', 'ani', '--role', 'operator', '--full-name', 'Ani Wijaya', '--password-stdin'], PASSWORD);
    browser = await launch();
  }, 60_000);
  afterAll(async () => {
    await browser?.close();
    await server?.remove();
  });

  /** A passkey is for a name: the address has none. */
  const named = (): string => server.url.replace('127.0.0.1', 'localhost');

  async function visit(): Promise<Opened & { device: CDPSession }> {
    const opened = await open(browser, 'about:blank', 390, 844);
    const device = await opened.page.context().newCDPSession(opened.page);
    await device.send('WebAuthn.enable');
    await device.send('WebAuthn.addVirtualAuthenticator', {
      options: { protocol: 'ctap2', transport: 'internal', hasResidentKey: true, hasUserVerification: true, isUserVerified: true },
    });
    await opened.page.goto(`${named()}/login`);
    return { ...opened, device };
  }

  async function signInWithPassword(page: Page): Promise<void> {
    await page.getByLabel('Nama akun').fill('ani');
    await page.getByLabel('Kata sandi', { exact: true }).fill(PASSWORD);
    await page.getByRole('button', { name: 'Masuk', exact: true }).click();
    await page.getByRole('heading', { name: 'Ani Wijaya' }).waitFor();
  }

  it('adds one, signs in with it, and no more once it is taken off', async () => {
    const { page, errors, close } = await visit();
    await signInWithPassword(page);
    await page.getByRole('button', { name: 'Tambah kunci sandi' }).click();
    await page.getByLabel('Nama perangkat').fill('telepon Ani');
    await page.getByLabel('Kata sandi sekarang').fill('bukan kata sandinya');
    const add = page.locator('form').getByRole('button', { name: 'Tambah kunci sandi' });
    await add.click();
    await page.getByRole('alert').filter({ hasText: 'salah' }).waitFor();
    await page.getByLabel('Kata sandi sekarang').fill(PASSWORD);
    await add.click();
    await page.getByText('Kunci sandi sudah ditambahkan.').waitFor();
    await page.getByText('Belum pernah dipakai').waitFor();
    expect(await tooWide(page)).toEqual([]);

    await page.getByRole('button', { name: 'Keluar' }).click();
    await page.getByRole('button', { name: 'Masuk dengan kunci sandi' }).click();
    await page.getByRole('heading', { name: 'Ani Wijaya' }).waitFor();
    await page.getByText('Terakhir dipakai').waitFor();

    await page.getByRole('button', { name: 'Hapus kunci sandi telepon Ani' }).click();
    await page.getByText('Kunci sandi sudah dihapus').waitFor();
    await page.getByRole('button', { name: 'Keluar' }).click();
    await page.getByRole('button', { name: 'Masuk dengan kunci sandi' }).click();
    await page.getByRole('alert').filter({ hasText: 'tidak dikenal' }).waitFor();
    expect(await tooWide(page)).toEqual([]);
    expect(errors).toEqual([]);
    await close();
  }, 60_000);

  it('offers none where the server has no name', async () => {
    const { page, close } = await open(browser, `${server.url}/login`, 1440, 900);
    await page.getByLabel('Nama akun').waitFor();
    expect(await page.getByRole('button', { name: 'Masuk dengan kunci sandi' }).count()).toBe(0);
    await close();
  }, 60_000);
});
