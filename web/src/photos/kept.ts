/**
 * Photos that did not get through yet, kept in this browser: a phone's browser forgets its pages while the camera is
 * open, and a street may have no network for an hour. Where nothing can be kept they last as long as the page.
 */
import { PHOTO_KINDS, type AddedKind } from './photo';

export interface Kept {
  readonly id: string;
  readonly incident: string;
  readonly kind: AddedKind;
  readonly file: Blob;
  readonly atMs: number;
}

export interface Store {
  all(): Promise<readonly Kept[]>;
  has(id: string): Promise<boolean>;
  put(one: Kept): Promise<void>;
  drop(id: string): Promise<void>;
}

const DATABASE = 'pantau.photos';
const TABLE = 'waiting';

export class BrowserStore implements Store {
  private opened: Promise<IDBDatabase> | null = null;

  async all(): Promise<readonly Kept[]> {
    const found: unknown = await this.run('readonly', (table) => table.getAll());
    return Array.isArray(found) ? found.filter(isKept) : [];
  }

  async has(id: string): Promise<boolean> {
    return (await this.run('readonly', (table) => table.count(id))) > 0;
  }

  async put(one: Kept): Promise<void> {
    await this.run('readwrite', (table) => table.put(one));
  }

  async drop(id: string): Promise<void> {
    await this.run('readwrite', (table) => table.delete(id));
  }

  private open(): Promise<IDBDatabase> {
    this.opened ??= new Promise((resolve, reject) => {
      const request = indexedDB.open(DATABASE, 1);
      request.addEventListener('upgradeneeded', () => request.result.createObjectStore(TABLE, { keyPath: 'id' }));
      request.addEventListener('success', () => resolve(request.result));
      request.addEventListener('error', () => reject(request.error ?? new Error('no database')));
    });
    return this.opened;
  }

  private async run<T>(mode: IDBTransactionMode, ask: (table: IDBObjectStore) => IDBRequest<T>): Promise<T> {
    const database = await this.open();
    return new Promise((resolve, reject) => {
      const request = ask(database.transaction(TABLE, mode).objectStore(TABLE));
      request.addEventListener('success', () => resolve(request.result));
      request.addEventListener('error', () => reject(request.error ?? new Error('the database refused')));
    });
  }
}

/** A tab that the phone put to sleep with a photo on its way must not keep the others from sending it. */
const ALONE_MS_MAX = 60_000;

/** Runs `job` while no other tab of this browser runs one under the same name, and fails where that takes too long; without locks, at once. */
export async function alone(name: string, job: () => Promise<void>): Promise<void> {
  // A page that did not come by https has none.
  const locks = (navigator as { readonly locks?: LockManager }).locks;
  if (locks === undefined) return job();
  await locks.request(`${DATABASE}.${name}`, { signal: AbortSignal.timeout(ALONE_MS_MAX) }, job);
}

/** One of an older page is no fault: it is passed over. */
function isKept(value: unknown): value is Kept {
  const one = value as Partial<Kept> | null;
  return typeof one?.id === 'string' && typeof one.incident === 'string' && typeof one.atMs === 'number' && one.file instanceof Blob && one.kind !== undefined && one.kind !== ('report' as string) && PHOTO_KINDS.includes(one.kind);
}
