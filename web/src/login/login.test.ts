import { expect, it } from 'vitest';
import { keepFor } from './owner';
import { nextPage, signInFrom, takeSecret, takeSso } from './secret';
import { decodeMay, worksQueue } from '../ui/may';
import { decodeMe, ssoAddress } from './session';

const at = (hash: string) => ({ hash, pathname: '/login', search: '?lang=en' });

it('a secret is read once and leaves the address bar', () => {
  for (const [hash, secret] of [
    ['#link=0abc', { kind: 'link', value: '0abc' }],
    ['#token=pantau_0abc', { kind: 'token', value: 'pantau_0abc' }],
    ['#token=', null],
    ['#other=1', null],
  ] as const) {
    const shown: string[] = [];
    const history = { replaceState: (_: unknown, __: string, url?: string | URL | null) => void shown.push(String(url)) };
    expect(takeSecret(at(hash), history), hash).toEqual(secret);
    expect(shown, hash).toEqual(['/login?lang=en']);
  }
});

it('whoever signs in comes back to what they saw', () => {
  for (const search of ['', '?lang=en', '?incident=i:019abcde-0000-7000-8000-0123456789ab&category=water,garbage', '?q=air+mati%20di%20Kalumata%21&at=2026-11-24T02:00:00Z', "?q=jalan~(rusak)*'"]) {
    const login = new URL(signInFrom({ pathname: '/console', search }), 'http://localhost');
    const back = nextPage(login.searchParams);
    expect(back, search).not.toBeNull();
    expect([...new URL(back ?? '', login).searchParams], search).toEqual([...new URLSearchParams(search)]);
  }
  expect(signInFrom({ pathname: '/sitrep', search: '?lang=en' })).toBe('/login?next=%2Fsitrep%3Flang%3Den&lang=en');
  expect(signInFrom({ pathname: '/handover', search: '' })).toBe('/login?next=%2Fhandover');
});

it('no link leads from the sign-in page to another site', () => {
  const next = (text: string) => nextPage(new URLSearchParams({ next: text }));
  expect(next('/wall')).toBe('/wall');
  expect(next('/field?area=82.71.04')).toBe('/field?area=82.71.04');
  for (const wrong of ['//evil.example', 'https://evil.example', '/\\evil.example', 'javascript:alert(1)', '/wall#x', '/a/../b', '']) {
    expect(next(wrong), wrong).toBeNull();
  }
});

it('whoever the server says one is, is read strictly', () => {
  const nobody = { signed_in: false, ended: true, can_sign_in: true, projection: 'public' };
  expect(decodeMe(nobody)).toEqual({ signedIn: false, ended: true, canSignIn: true, sso: null });
  expect(decodeMe({ ...nobody, oidc: { name: 'akun Malut' } })).toMatchObject({ signedIn: false, sso: 'akun Malut' });
  expect(() => decodeMe({ ...nobody, oidc: {} })).toThrow();
  const ani = {
    signed_in: true, ended: false, can_sign_in: true, name: 'ani', full_name: 'Ani', role: 'operator', via: 'session',
    agency: null, areas: [], may: {}, projection: 'staff', ends_at: '2026-11-24T05:05:32Z', second_factor: false,
  };
  expect(decodeMe(ani)).toMatchObject({ signedIn: true, name: 'ani', fullName: 'Ani', role: 'operator', isOwn: true });
  // Whom a provider vouches for has no password to change.
  expect(decodeMe({ ...ani, own_password: false })).toMatchObject({ isOwn: false });
  expect(() => decodeMe({ ...ani, role: 7 })).toThrow();
});

it('why a single sign-on came back is said once, and the wanted page is kept', () => {
  const take = (search: string) => {
    const shown: string[] = [];
    const history = { replaceState: (_: unknown, __: string, url?: string | URL | null) => void shown.push(String(url)) };
    return [takeSso(new URLSearchParams(search), { pathname: '/login' }, history), shown];
  };
  expect(take('sso=away')).toEqual(['away', ['/login']]);
  expect(take('lang=en&sso=role')).toEqual(['role', ['/login?lang=en']]);
  expect(take('sso=%3Cb%3E')).toEqual(['failed', ['/login']]);
  expect(take('lang=en')).toEqual([null, []]);
  expect(ssoAddress(null)).toBe('/api/v1/session/oidc');
  expect(ssoAddress('/console?x=1')).toBe('/api/v1/session/oidc?next=%2Fconsole%3Fx%3D1');
});

it('the console is offered to whoever has work there, whatever their role is called', () => {
  const may = (all: Record<string, string>) => worksQueue(decodeMay(all));
  expect(may({ 'see-map': 'all', 'see-incident': 'all', verify: 'all' })).toBe(true);
  expect(may({ 'see-map': 'own', 'see-incident': 'own', start: 'own', note: 'own' })).toBe(true);
  // A responder writes notes in the field; a wall looks.
  expect(may({ 'see-map': 'own', 'see-incident': 'own', note: 'own' })).toBe(false);
  expect(may({ 'see-map': 'all' })).toBe(false);
  // A token for less, that may not see what it would act on.
  expect(may({ verify: 'all' })).toBe(false);
  expect(worksQueue(decodeMay(null))).toBe(false);
});

it('the next shift in the same tab finds nothing of the one before, and whoever comes back finds it all', () => {
  const kept = new Map([['pantau.console.draft.i:7.note', 'pelapor: 0812 3456 789'], ['pantau.console.recent', '[]'], ['other', 'x']]);
  const tab = { get length() { return kept.size; }, key: (n: number) => [...kept.keys()][n] ?? null, getItem: (key: string) => kept.get(key) ?? null, setItem: (key: string, text: string) => void kept.set(key, text), removeItem: (key: string) => void kept.delete(key) };
  keepFor('ani', tab);
  keepFor('ani', tab);
  expect(kept.get('pantau.console.draft.i:7.note')).toBe('pelapor: 0812 3456 789');
  keepFor('budi', tab);
  expect([...kept]).toEqual([['other', 'x'], ['pantau.owner', 'budi']]);
});
