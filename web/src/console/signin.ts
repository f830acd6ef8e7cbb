import { signInFrom } from '../login/secret';

/** Where to sign in and come back from, or null where this server has no such page. */
export async function signInAddress(): Promise<string | null> {
  try {
    const answer = await fetch('/login', { method: 'HEAD' });
    return answer.ok ? signInFrom(location) : null;
  } catch {
    return null;
  }
}
