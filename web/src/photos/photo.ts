/** Photos of an incident as the server tells them, and what of a file can be told before it is sent. Pure but for reading the file's first bytes. */
import { list, number, object, oneOf, string, time } from '../feed/protocol';

export const PHOTO_KINDS = ['report', 'before', 'after'] as const;
/** Sent with a report, or by staff: before the repair, or after it. */
export type PhotoKind = (typeof PHOTO_KINDS)[number];
export type AddedKind = Exclude<PhotoKind, 'report'>;

export interface Photo {
  readonly id: string;
  readonly kind: PhotoKind;
  /** Of the report that it came with. */
  readonly report: string | null;
  readonly atMs: number;
  /** Of the staff; null: whoever reported, who stays unnamed. */
  readonly by: string | null;
  readonly w: number;
  readonly h: number;
  readonly public: boolean;
}

/** As the server bounds it. */
export const PHOTO_BYTES_MAX = 12 * 1024 * 1024;

export function decodePhotos(value: unknown): readonly Photo[] {
  return list(value ?? [], 'photos').map((one) => {
    const o = object(one, 'photo');
    return {
      id: string(o.id, 'photo.id'),
      kind: oneOf(PHOTO_KINDS, o.kind, 'photo.kind'),
      report: typeof o.report === 'string' ? o.report : null,
      atMs: time(o.at, 'photo.at'),
      by: typeof o.by === 'string' && o.by !== '' ? o.by : null,
      w: number(o.width, 'photo.width'),
      h: number(o.height, 'photo.height'),
      public: o.public === true,
    };
  });
}

/** The thumbnail's longer side is 320. */
export function photoAddress(id: string, size: 'whole' | 'thumb' = 'whole'): string {
  const path = `/api/v1/photos/${encodeURIComponent(id)}`;
  return size === 'thumb' ? `${path}?size=thumb` : path;
}

/** In the order in which they are looked at: as it was reported, before, after; each kind by time. */
export function inOrder(photos: readonly Photo[]): readonly Photo[] {
  return [...photos].sort((a, b) => PHOTO_KINDS.indexOf(a.kind) - PHOTO_KINDS.indexOf(b.kind) || a.atMs - b.atMs);
}

/** The one before or after another, round the end; null: there are none. */
export function beside(photos: readonly Photo[], id: string, by: 1 | -1): Photo | null {
  const at = photos.findIndex((photo) => photo.id === id);
  return photos[(at + by + photos.length) % photos.length] ?? null;
}

/** Why a file is not worth sending. */
export type FileFault = 'large' | 'kind' | 'empty';

const MAGIC: readonly (readonly (number | null)[])[] = [
  [0xff, 0xd8, 0xff],
  [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a],
  [0x52, 0x49, 0x46, 0x46, null, null, null, null, 0x57, 0x45, 0x42, 0x50],
];

/** By its first bytes, whatever it is called. */
export async function faultOfFile(file: Blob): Promise<FileFault | null> {
  if (file.size === 0) return 'empty';
  if (file.size > PHOTO_BYTES_MAX) return 'large';
  const head = new Uint8Array(await file.slice(0, 12).arrayBuffer());
  return MAGIC.some((magic) => magic.every((byte, n) => byte === null || head[n] === byte)) ? null : 'kind';
}
