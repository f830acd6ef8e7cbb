/** Sending photos, with how far it is, and making them public or not. */
import { postJson, ProblemError } from '../feed/http';
import { decodeProblem } from '../feed/protocol';
import type { AddedKind } from './photo';

/** A weak line is slow; one on which nothing moves for so long is none. */
const STILL_MS_MAX = 30_000;

/**
 * `id` is the photo's own, however often it is sent: what the server has already it does not add again. `progress` from
 * 0 to 1. Answers the incident as the server has it then.
 */
export type SendPhoto = (id: string, incident: string, file: Blob, kind: AddedKind, progress: (part: number) => void) => Promise<unknown>;

/** `fetch` does not tell how much of a body has gone out. */
export const sendPhoto: SendPhoto = (id, incident, file, kind, progress) =>
  new Promise((resolve, reject) => {
    const form = new FormData();
    form.append('kind', kind);
    form.append('photo', file, 'photo');
    const request = new XMLHttpRequest();
    let timer = 0;
    const alive = (): void => {
      clearTimeout(timer);
      timer = window.setTimeout(() => request.abort(), STILL_MS_MAX);
    };
    const lost = (): void => {
      clearTimeout(timer);
      reject(new TypeError('the photo did not get through'));
    };
    request.open('POST', `/api/v1/incidents/${incident.replace(/^i:/, '')}/photos`);
    request.setRequestHeader('idempotency-key', id);
    request.upload.addEventListener('progress', ({ loaded, total }) => {
      alive();
      progress(total > 0 ? loaded / total : 0);
    });
    for (const end of ['error', 'abort', 'timeout'] as const) request.addEventListener(end, lost);
    request.addEventListener('load', () => {
      clearTimeout(timer);
      const answer = parsed(request.responseText);
      if (request.status >= 200 && request.status < 300) resolve(answer);
      else reject(new ProblemError({ ...decodeProblem(answer), status: request.status }));
    });
    alive();
    request.send(form);
  });

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/** Public or not; answers the incident. */
export function setPublic(incident: string, photo: string, to: boolean): Promise<unknown> {
  return postJson(`/api/v1/incidents/${incident.replace(/^i:/, '')}/photos/${encodeURIComponent(photo)}/${to ? 'release' : 'withdraw'}`, {});
}
