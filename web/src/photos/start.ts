/** The photos of a page: sent by the browser, kept by it, tried again when the network is back and now and then. */
import { alone, BrowserStore } from './kept';
import { sendPhoto } from './send';
import { RETRY_MS, Uploads } from './uploads.svelte';

export interface Running {
  readonly uploads: Uploads;
  stop(): void;
}

export function startUploads(arrived: (incident: string, answer: unknown) => void): Running {
  const uploads = new Uploads(sendPhoto, new BrowserStore(), arrived, undefined, undefined, alone);
  const again = (): void => void uploads.again();
  const timer = setInterval(() => {
    if (!document.hidden && navigator.onLine && uploads.all.some(({ state }) => state === 'lost')) again();
  }, RETRY_MS);
  addEventListener('online', again);
  void uploads.recover();
  return {
    uploads,
    stop() {
      clearInterval(timer);
      removeEventListener('online', again);
    },
  };
}
