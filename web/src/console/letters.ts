/** Whether single letters are keys, kept in this browser (WCAG 2.2, 2.1.4). */
const STORE = 'pantau.console.letters';

export function lettersOn(): boolean {
  try {
    return localStorage.getItem(STORE) !== 'off';
  } catch {
    return true;
  }
}

export function setLetters(on: boolean): void {
  try {
    if (on) localStorage.removeItem(STORE);
    else localStorage.setItem(STORE, 'off');
  } catch {
    // It holds while the page lasts.
  }
}
