/** Passkeys (WebAuthn): what the server asks goes to the device, and what that answers goes back. */
import { object, string } from '../feed/protocol';
import { ask, meet, SessionFault, type Me } from './session';

export interface OwnPasskey {
  readonly id: string;
  readonly label: string;
  readonly usedAtMs: number | null;
}

/** Whether there can be passkeys here: the browser knows them, and the server has a name. */
export const canHavePasskeys = (): boolean => 'PublicKeyCredential' in globalThis && !/^[\d.]+$|^\[/.test(location.hostname);

export const bytes = (text: string): Uint8Array<ArrayBuffer> => {
  const binary = atob(text.replace(/-/g, '+').replace(/_/g, '/'));
  return Uint8Array.from(binary, (sign) => sign.charCodeAt(0));
};

export const text = (buffer: ArrayBuffer): string =>
  btoa(String.fromCharCode(...new Uint8Array(buffer)))
    .replace(/\+/g, '-')
    .replace(/\//g, '_')
    .replace(/=+$/, '');

interface Question {
  readonly id: string;
  readonly publicKey: Record<string, any>;
}

function question(json: unknown): Question {
  const o = object(json, 'passkey');
  const publicKey = object(object(o.options, 'options').publicKey, 'publicKey') as Record<string, any>;
  return { id: string(o.id, 'id'), publicKey: { ...publicKey, challenge: bytes(string(publicKey.challenge, 'challenge')) } };
}

/** What the device gives; it says by an exception that its owner did not want to, or that there is none. */
async function given(asking: Promise<Credential | null>): Promise<PublicKeyCredential> {
  const credential = await asking.catch((error: unknown) => {
    throw new SessionFault('passkey-refused', String(error), 0);
  });
  if (!(credential instanceof PublicKeyCredential)) throw new SessionFault('passkey-refused', '', 0);
  return credential;
}

const base = (credential: PublicKeyCredential) => ({
  id: credential.id,
  rawId: text(credential.rawId),
  type: credential.type,
  extensions: {},
});

export async function signInWithPasskey(): Promise<Me> {
  const { id, publicKey } = question(await ask('POST', '/passkey', {}));
  const credential = await given(
    navigator.credentials.get({ publicKey: publicKey as unknown as PublicKeyCredentialRequestOptions }),
  );
  const response = credential.response as AuthenticatorAssertionResponse;
  const answer = {
    ...base(credential),
    response: {
      authenticatorData: text(response.authenticatorData),
      clientDataJSON: text(response.clientDataJSON),
      signature: text(response.signature),
      userHandle: response.userHandle === null ? null : text(response.userHandle),
    },
  };
  return meet(await ask('POST', '/passkey', { id, credential: answer }));
}

export async function addPasskey(password: string, label: string): Promise<void> {
  const { id, publicKey } = question(await ask('POST', '/passkeys', { password }));
  const options = {
    ...publicKey,
    user: { ...publicKey.user, id: bytes(string(publicKey.user?.id, 'user.id')) },
    excludeCredentials: (publicKey.excludeCredentials ?? []).map((one: any) => ({ ...one, id: bytes(one.id) })),
  };
  const credential = await given(
    navigator.credentials.create({ publicKey: options as unknown as PublicKeyCredentialCreationOptions }),
  );
  const response = credential.response as AuthenticatorAttestationResponse;
  const answer = {
    ...base(credential),
    response: {
      attestationObject: text(response.attestationObject),
      clientDataJSON: text(response.clientDataJSON),
      transports: response.getTransports?.() ?? [],
    },
  };
  await ask('POST', '/passkeys', { id, credential: answer, label });
}

export async function ownPasskeys(): Promise<OwnPasskey[]> {
  const { passkeys } = object(await ask('GET', '/passkeys'), 'passkeys');
  if (!Array.isArray(passkeys)) throw new TypeError('passkeys is not a list');
  return passkeys.map((one: unknown) => {
    const o = object(one, 'passkey');
    return { id: string(o.id, 'id'), label: string(o.label, 'label'), usedAtMs: typeof o.used_at === 'string' ? Date.parse(o.used_at) : null };
  });
}

export const removePasskey = async (id: string): Promise<void> => void (await ask('DELETE', `/passkeys/${encodeURIComponent(id)}`));
