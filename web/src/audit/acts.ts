/** What the audit tells of, by the server's names, in the groups that the page's choice has. Pure. */
import { auditId } from '../i18n/audit';
import type { Key } from '../i18n';

export const GROUPS = ['incident', 'private', 'shift', 'account'] as const;
export type ActGroup = (typeof GROUPS)[number];

export const ACTS: Readonly<Record<ActGroup, readonly string[]>> = {
  incident: ['verify', 'reject', 'assign', 'return', 'start', 'check', 'pause', 'resume', 'resolve', 'confirm', 'reopen', 'merge', 'split', 'note', 'answer', 'photo', 'release', 'withdraw'],
  private: ['look-up', 'erase'],
  shift: ['shift-note', 'handover'],
  account: [
    'sign-in', 'sign-in-by-link', 'sign-in-by-passkey', 'sign-in-by-oidc', 'sign-in-refused', 'denied', 'sign-out', 'signed-out', 'password-changed',
    'second-factor-on', 'second-factor-off', 'passkey-added', 'passkey-removed', 'link-made', 'account-added', 'account-role', 'account-head', 'account-disabled', 'account-enabled', 'token-made', 'token-revoked',
  ],
};

/** The words of an act; null: a newer server tells of something that this page has no words for. */
export function actKey(act: string): Key | null {
  const key = `audit.act.${act}`;
  return key in auditId ? (key as Key) : null;
}
