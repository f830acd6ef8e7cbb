/** Who reported, and how to reach them. Each look is written down by the server, with its reason. */
import { postJson } from '../feed/http';
import { list, object, string } from '../feed/protocol';
import { bare } from './casefile';

export interface Contact {
  /** The report's code. */
  readonly code: string;
  readonly name: string | null;
  readonly phone: string | null;
  readonly email: string | null;
}

export async function lookUpContacts(id: string, reason: string): Promise<readonly Contact[]> {
  return decodeContacts(await postJson(`/api/v1/incidents/${bare(id)}/contacts`, { reason }));
}

export function decodeContacts(value: unknown): readonly Contact[] {
  const text = (one: unknown): string | null => (typeof one === 'string' && one !== '' ? one : null);
  return list(object(value, 'contacts').contacts, 'contacts').map((one) => {
    const o = object(one, 'contact');
    return { code: string(o.code ?? o.report, 'contact.code'), name: text(o.name), phone: text(o.phone), email: text(o.email) };
  });
}

/** For a link that dials: what people write between the digits is left out. */
export function dialled(phone: string): string {
  return phone.replace(/[^\d+]/g, '');
}
