/** What could not be sent for want of a line is tried again: when the network is back, and now and then. */

/** The line is tried again this often while something waits for it. */
export const RETRY_MS = 15_000;

/** Returns how to stop it. */
export function tryAgain(waits: () => boolean, send: () => void): () => void {
  const timer = setInterval(() => {
    if (!document.hidden && navigator.onLine && waits()) send();
  }, RETRY_MS);
  addEventListener('online', send);
  return () => {
    clearInterval(timer);
    removeEventListener('online', send);
  };
}
