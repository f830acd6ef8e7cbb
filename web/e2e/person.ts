/** Somebody of the center at a browser of their own: what they press, and what they did, to be held against the server's books. */
import { expect } from 'vitest';
import type { Browser, Page } from 'playwright-core';
import { open, type Opened } from './browser';
import { desk, LIVE, PASSWORD } from './desk';
import { until, type Pantau } from './pantau';

/** Others may be using the machine too. */
const PATIENCE_MS = 60_000;

export class Person {
  /** In words of the audit: `verify ID`, `merge ID` of the one that goes, `handover`. */
  readonly did: string[] = [];
  pressed = 0;

  private constructor(
    readonly name: string,
    private readonly opened: Opened,
    private readonly server: Pantau,
  ) {}

  /** By the form, as everybody does; then at the console. */
  static async signIn(server: Pantau, browser: Browser, role: string, more: readonly string[] = []): Promise<Person> {
    const name = await server.account(role, PASSWORD, more);
    const opened = await open(browser, `${server.url}/login?next=/console`, 1366, 768, async (page) => {
      page.setDefaultTimeout(PATIENCE_MS);
      await desk(page);
      // Not their first day.
      await page.addInitScript(() => localStorage.setItem('pantau.tour', 'known'));
    });
    const { page } = opened;
    await page.fill('input[autocomplete="username"]', name);
    await page.fill('input[type="password"]', PASSWORD);
    await page.keyboard.press('Enter');
    await page.waitForURL(`${server.url}/console`);
    await page.waitForSelector(LIVE);
    return new Person(name, opened, server);
  }

  get page(): Page {
    return this.opened.page;
  }

  /** Another window of the same browser. */
  async window(path: string): Promise<Page> {
    const page = await this.page.context().newPage();
    page.setDefaultTimeout(PATIENCE_MS);
    await page.goto(this.server.url + path);
    return page;
  }

  async press(...keys: readonly string[]): Promise<void> {
    for (const key of keys) {
      this.pressed += 1;
      await this.page.keyboard.press(key);
    }
  }

  /** By the code that a caller reads out. */
  async find(code: string, incident: string): Promise<void> {
    await this.press('/');
    await this.page.waitForSelector('[data-find] input:focus');
    await this.page.keyboard.type(code);
    await this.page.waitForSelector('[data-found="code"]');
    await this.press('Enter');
    await this.reads(incident);
  }

  /** A row of the queue, whatever else comes in. */
  async pick(incident: string): Promise<void> {
    await this.page.click(`[data-row="i:${incident}"] button`);
    await this.reads(incident);
  }

  /** Until all of it is on the screen. */
  async reads(incident: string): Promise<void> {
    await this.page.waitForSelector(`article[data-incident="i:${incident}"]`);
    await this.page.waitForSelector('[data-history]', { state: 'attached' });
  }

  /** A key that asks for words, and the words. */
  async writes(key: string, form: string, words: string): Promise<void> {
    await this.press(key);
    await this.page.waitForSelector(`[data-form="${form}"] textarea:focus`);
    await this.page.keyboard.type(words);
    await this.press('Enter');
  }

  /** What can be taken back goes out now; where the ten seconds are over it has gone. */
  async sendNow(): Promise<void> {
    await this.page.evaluate(() => document.querySelector<HTMLElement>('[data-send-now]')?.click());
  }

  /** Assigns by the agency's number; `before` it has the number it may have already. */
  async assigns(agency: string, agencies: readonly string[]): Promise<void> {
    await this.press('t');
    await this.page.waitForSelector(`[data-option="${agency}"]`);
    await this.press(String(agencies.indexOf(agency) + 1));
  }

  /** What somebody did is there for everybody; it is put down as theirs. */
  async stands(incident: string, action: string, holds: (told: any) => boolean): Promise<void> {
    await until(PATIENCE_MS, () => `${this.name}: ${action} of ${incident} stands on the server`, async () => holds(await told(this.server, incident)));
    this.did.push(`${action} ${incident}`);
  }

  /** Nothing went wrong in the browser, and it asked nobody else. */
  isWell(): void {
    const own = new URL(this.server.url).host;
    expect(this.opened.asked.filter((address) => new URL(address).host !== own), this.name).toEqual([]);
    expect(this.opened.errors.filter((error) => !error.startsWith('pantau: no map')), this.name).toEqual([]);
  }

  close(): Promise<void> {
    return this.opened.close();
  }
}

/** An incident with its history, as staff are told. */
export async function told(server: Pantau, incident: string): Promise<any> {
  return (await server.get(`/api/v1/incidents/${incident}`)).properties;
}
