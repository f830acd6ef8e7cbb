import { readdirSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { expect, it } from 'vitest';
import { decodeProblem, type Problem } from '../feed/protocol';
import { makeWords } from '../i18n';
import { hasChanged, problemSays } from './problem';

const id = makeWords('id', 'Asia/Jayapura', 'WIT');
const en = makeWords('en', 'Asia/Jayapura', 'WIT');
const problem = (kind: string, more: object = {}): Problem => decodeProblem({ type: `/problems/${kind}`, title: 'Conflict', detail: 'said in English', status: 409, ...more });

it('a refusal is said in the reader’s language, and what is wrong is named', () => {
  expect(problemSays(id, problem('archived'))).toBe('sudah lama ditutup dan masuk arsip; hanya dapat dibaca');
  expect(problemSays(en, problem('four-eyes'))).toBe('it must be somebody else than whoever took the step before');
  const body = problem('invalid-body', { status: 422, errors: [{ pointer: '/photo', detail: 'a photo of the repair is wanted first' }, { pointer: '/x/y', detail: 'odd' }] });
  expect([problemSays(id, body), problemSays(en, body)]).toEqual(['isiannya belum lengkap atau salah: foto sesudah perbaikan', 'missing or wrong: photo of after the repair']);
  expect(problemSays(id, problem('invalid-query', { errors: [{ pointer: 'q', detail: 'too short' }] }))).toBe('pilihan ini tidak dapat dipakai: kata yang dicari');
  expect(problemSays(id, problem('invalid-body'))).toBe('isiannya belum lengkap atau salah');
});

it('of what this page has no words for the server’s own stand, and say whose they are', () => {
  expect(problemSays(id, problem('from-tomorrow'))).toBe('alasan dari server (bahasa Inggris): said in English');
  expect(problemSays(en, problem('from-tomorrow', { detail: '' }))).toBe('the server says: Conflict');
  for (const kind of ['other', 'silent', 'field.note', 'constructor']) expect(problemSays(en, problem(kind)), kind).toBe('the server says: said in English');
  expect([problemSays(id, null), problemSays(id, decodeProblem(null))]).toEqual(['server tidak menyebut alasannya', 'server tidak menyebut alasannya']);
});

it('only what somebody else did first counts as changed', () => {
  for (const kind of ['version', 'transition', 'merged', 'clock']) expect(hasChanged(problem(kind)), kind).toBe(true);
  for (const kind of ['archived', 'four-eyes', 'confirmed', 'unassigned', 'drill-mismatch']) expect(hasChanged(problem(kind)), kind).toBe(false);
  expect(hasChanged(problem('version', { status: 422 }))).toBe(false);
});

/** Of signing in, which has its own sentences, of machines, and of what no page does. */
const ELSEWHERE = /^(wrong-|link-over|passkey|code-needed|name-taken|own-|sso-|import|host|idempotency-key|key-reused|unreadable-body|bad-request|no-pages|foreign-origin|method|upgrade-required|range|uri-too-long|projection|replay|is-a-replay|not-a-replay|clock-behind|no-presence|too-many-present|too-many-subscriptions|promise-broken|entries-lost|not-shipped|reports-set-aside)/;

it('each kind of problem that the server has words for, this page has too', () => {
  const root = resolve(import.meta.dirname, '../../../src');
  const sources = [...readdirSync(resolve(root, 'api'), { recursive: true, encoding: 'utf8' }).map((name) => `api/${name}`), 'health.rs', 'feed/session.rs'].filter((name) => name.endsWith('.rs'));
  const text = sources.map((name) => readFileSync(resolve(root, name), 'utf8')).join('\n');
  const patterns = [/Problem::(?:conflict|bad_request)\(\s*"([a-z-]+)"/g, /Problem::new\(\s*[^",;]+,\s*"([a-z-]+)"/g, /SubscribeFault::new\(\s*"([a-z-]+)"/g, /Condition::\w+ => "([a-z-]+)"/g];
  const kinds = [...new Set(patterns.flatMap((pattern) => [...text.matchAll(pattern)].map(([, kind]) => kind ?? '')))].filter((kind) => !ELSEWHERE.test(kind)).sort();
  expect(kinds.length).toBeGreaterThan(25);
  const without = kinds.filter((kind) => problemSays(id, problem(kind)).startsWith('alasan dari server'));
  expect(without).toEqual([]);
});
