import type { Words } from '../i18n';
import type { SessionFault } from './session';

/** What went wrong, in the reader's language: what happened, and what to do. */
export function sentence(words: Words, fault: SessionFault): string {
  switch (fault.kind) {
    case 'wrong-password':
      return words.t('login.wrong');
    case 'wrong-code':
      return words.t('login.code.wrong');
    case 'wrong-token':
      return words.t('login.token.wrong');
    case 'too-many-tries':
      return words.t('login.again');
    case 'link-over':
      return words.t('login.link.over');
    case 'wrong-passkey':
      return words.t('login.passkey.wrong');
    case 'passkey-over':
      return words.t('login.passkey.over');
    case 'passkeys-need-a-name':
      return words.t('login.passkey.name');
    case 'passkey-refused':
      return words.t('login.passkey.refused');
    case 'sso-away':
      return words.t('login.sso.away');
    case 'sso-refused':
      return words.t('login.sso.refused');
    case 'sso-over':
      return words.t('login.sso.over');
    case 'sso-wrong':
      return words.t('login.sso.wrong');
    case 'sso-role':
      return words.t('login.sso.role');
    case 'sso-disabled':
      return words.t('login.sso.disabled');
    case 'name-taken':
      return words.t('login.name.taken');
    case 'needs-tls':
      return words.t('login.needs-tls');
    case 'unreachable':
      return words.t('login.unreachable.is');
    case 'busy':
      return words.t('login.busy');
    default:
      return words.t('login.failed');
  }
}
