/** What was typed and not sent yet, by what it is for. It outlives a reload of the page, not the tab. */
export class Drafts {
  private readonly held = new Map<string, string>();

  constructor(private readonly store: string) {}

  read(what: string): string {
    const key = `${this.store}.${what}`;
    try {
      return this.held.get(key) ?? sessionStorage.getItem(key) ?? '';
    } catch {
      return '';
    }
  }

  keep(what: string, text: string): void {
    const key = `${this.store}.${what}`;
    if (text === '') this.held.delete(key);
    else this.held.set(key, text);
    try {
      if (text === '') sessionStorage.removeItem(key);
      else sessionStorage.setItem(key, text);
    } catch {
      // A browser that stores nothing keeps it while the page lasts.
    }
  }
}
