/** Signing in and out as the server has it. Every answer is decoded where it arrives. */
import { address } from '../feed/http';
import { object, string } from '../feed/protocol';
import { decodeMay, type May } from '../ui/may';
import { keepFor } from './owner';

export interface Nobody {
  readonly signedIn: false;
  /** There was a session, and it has ended. */
  readonly ended: boolean;
  readonly canSignIn: boolean;
  /** What people call the accounts of the single sign-on, where there is one. */
  readonly sso: string | null;
}

export interface Somebody {
  readonly signedIn: true;
  readonly name: string;
  readonly fullName: string;
  readonly role: string;
  /** Is told what is late once it is the head's. */
  readonly head: boolean;
  readonly may: May;
  /** The own agency's key, of those whose part of the city it is. */
  readonly agency: string | null;
  /** Signed in with a password of one's own, which can be changed. */
  readonly isOwn: boolean;
  readonly via: string;
  readonly endsAtMs: number | null;
  readonly secondFactor: boolean;
}

export type Me = Nobody | Somebody;

/** Where the browser begins a single sign-on, to go on to a page of ours. */
export const ssoAddress = (next: string | null): string =>
  next === null ? '/api/v1/session/oidc' : `/api/v1/session/oidc?next=${encodeURIComponent(next)}`;

/** What went wrong, by the name of the server's problem; `unreachable` where nothing came back. */
export class SessionFault extends Error {
  constructor(
    readonly kind: string,
    readonly detail: string,
    readonly waitS: number,
    readonly fields: Readonly<Record<string, string>> = {},
  ) {
    super(kind);
  }
}

/** Any fault as one that a page can say. */
export const faultOf = (error: unknown): SessionFault => (error instanceof SessionFault ? error : new SessionFault('internal', String(error), 0));

export function decodeMe(json: unknown): Me {
  const o = object(json, 'session');
  if (o.signed_in !== true) {
    const sso = typeof o.oidc === 'object' && o.oidc !== null ? string(object(o.oidc, 'oidc').name, 'oidc.name') : null;
    return { signedIn: false, ended: o.ended === true, canSignIn: o.can_sign_in === true, sso };
  }
  const name = string(o.name, 'name');
  const via = string(o.via, 'via');
  return {
    signedIn: true,
    name,
    fullName: typeof o.full_name === 'string' ? o.full_name : name,
    role: string(o.role, 'role'),
    head: o.head === true,
    may: decodeMay(o.may),
    agency: typeof o.agency === 'string' ? o.agency : null,
    via,
    // Whom a provider vouches for has no password here.
    isOwn: via === 'session' && o.own_password !== false,
    endsAtMs: typeof o.ends_at === 'string' ? Date.parse(o.ends_at) : null,
    secondFactor: o.second_factor === true,
  };
}

export async function ask(method: string, path: string, body?: unknown): Promise<unknown> {
  let response: Response;
  try {
    const own = `/api/v1/session${path}`;
    response = await fetch(method === 'GET' ? address(own) : own, {
      method,
      headers: body === undefined ? {} : { 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
  } catch {
    throw new SessionFault('unreachable', '', 0);
  }
  const json: unknown = response.status === 204 ? null : await response.json().catch(() => null);
  if (response.ok) return json;
  const problem = (typeof json === 'object' && json !== null ? json : {}) as Record<string, unknown>;
  const kind = typeof problem.type === 'string' ? problem.type.replace('/problems/', '') : 'internal';
  const fields: Record<string, string> = {};
  for (const error of Array.isArray(problem.errors) ? problem.errors : []) {
    const { pointer, detail } = error as Record<string, unknown>;
    if (typeof pointer === 'string' && typeof detail === 'string') fields[pointer.slice(1)] = detail;
  }
  const detail = typeof problem.detail === 'string' ? problem.detail : '';
  throw new SessionFault(kind, detail, Number(response.headers.get('retry-after') ?? 0), fields);
}

/** Whoever is there from now on: the tab is theirs. */
export function meet(json: unknown): Me {
  const me = decodeMe(json);
  if (me.signedIn) keepFor(me.name);
  return me;
}

export const whoAmI = async (): Promise<Me> => meet(await ask('GET', ''));

export const signIn = async (name: string, password: string, code: string): Promise<Me> =>
  meet(await ask('POST', '', code === '' ? { name, password } : { name, password, code }));

export const hangWall = async (token: string): Promise<Me> => decodeMe(await ask('POST', '', { token }));

export const signOut = async (): Promise<void> => void (await ask('DELETE', ''));

/** Whose password a one-time link sets; `null`: it makes the first admin. */
export async function linkIsFor(link: string): Promise<string | null> {
  const { account } = object(await ask('POST', '/link', { link }), 'link');
  return typeof account === 'string' ? account : null;
}

export const useLink = async (link: string, name: string, password: string): Promise<Me> =>
  meet(await ask('POST', '/link', { link, name, password }));

export const changePassword = async (old: string, fresh: string): Promise<void> =>
  void (await ask('POST', '/password', { old, new: fresh }));

/** A new secret for an authenticator; nothing is asked for before it is confirmed. */
export async function drawSecondFactor(password: string): Promise<{ secret: string; address: string }> {
  const o = object(await ask('POST', '/totp', { password }), 'totp');
  return { secret: string(o.secret, 'secret'), address: string(o.address, 'address') };
}

export const confirmSecondFactor = async (password: string, secret: string, code: string): Promise<void> =>
  void (await ask('POST', '/totp', { password, secret, code }));

export const dropSecondFactor = async (password: string): Promise<void> => void (await ask('DELETE', '/totp', { password }));
