/** The city of Ternate with street lights: a category whose incidents are late in seconds, so that a test can wait for it. */
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

/** Late seven seconds after it came in; the supervisor is told `supervisor` after that, and the head `head`. */
const lighting = (supervisor: string, head: string): string => `
[[category]]
key = "lighting"
name = { id = "Lampu jalan", en = "Street light" }
icon = "street_lamp_arm"
colour = { dark = "#E8EEF3", day = "#12202B" }
agency = "pupr"
sensitive = false
deadline_h = 0.002

[category.deadlines]
escalate = ["${supervisor}", "${head}"]

[category.hotspot]
eps_m = 100
min_reports = 3
min_reporters = 2
window_h = 24
`;

export class LatePack {
  readonly dir = mkdtempSync(join(tmpdir(), 'pantau-city-'));

  constructor(supervisor: string, head: string) {
    cpSync(resolve(import.meta.dirname, '../../geodata/ternate'), this.dir, { recursive: true });
    const categories = join(this.dir, 'categories.toml');
    writeFileSync(categories, readFileSync(categories, 'utf8') + lighting(supervisor, head));
  }

  remove(): void {
    rmSync(this.dir, { recursive: true, force: true });
  }
}
