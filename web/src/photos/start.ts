/** The photos of a page: sent by the browser, kept by it, tried again when the network is back and now and then. */
import { tryAgain } from '../ui/again';
import { alone, BrowserStore } from './kept';
import { sendPhoto } from './send';
import { Uploads } from './uploads.svelte';

export interface Running {
  readonly uploads: Uploads;
  stop(): void;
}

export function startUploads(arrived: (incident: string, answer: unknown) => void): Running {
  const uploads = new Uploads(sendPhoto, new BrowserStore(), arrived, undefined, undefined, alone);
  const stop = tryAgain(
    () => uploads.all.some(({ state }) => state === 'lost'),
    () => void uploads.again(),
  );
  void uploads.recover();
  return { uploads, stop };
}
