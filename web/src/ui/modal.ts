/**
 * Opens a dialog with its element, and gives the focus back to where it was when the element goes. A dialog that is
 * closed does that by itself; one that is taken out of the page leaves the focus nowhere.
 */
export function modal(dialog: HTMLDialogElement): { destroy(): void } {
  const before = document.activeElement;
  dialog.showModal();
  return {
    destroy() {
      // Whatever opened in its place has the focus by now.
      const now = document.activeElement;
      const nowhere = now === null || now === document.body || now === dialog || !now.isConnected;
      if (nowhere && before instanceof HTMLElement && before.isConnected) before.focus({ preventScroll: true });
    },
  };
}
