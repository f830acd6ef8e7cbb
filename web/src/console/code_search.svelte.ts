/** From a report's code to its incident, and what is said of it meanwhile. */
import type { Incident } from '../feed/protocol';
import type { Words } from '../i18n';
import { findByCode } from './code';

export class CodeSearch {
  said = $state<string | null>(null);

  /** Counts them: the answer about an earlier code says nothing any more. */
  private round = 0;

  constructor(
    private readonly words: Pick<Words, 't'>,
    private readonly found: (incident: Incident) => void,
  ) {}

  async look(code: string): Promise<void> {
    const round = ++this.round;
    this.said = this.words.t('console.code.looking', { code });
    try {
      const incident = await findByCode(code);
      if (round !== this.round) return;
      this.said = incident === null ? this.words.t('console.code.unknown', { code }) : null;
      if (incident !== null) this.found(incident);
    } catch {
      if (round === this.round) this.said = this.words.t('console.code.failed');
    }
  }

  /** Something else is looked for. */
  forget(): void {
    this.round += 1;
    this.said = null;
  }
}
