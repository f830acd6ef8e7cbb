import { expect, it } from 'vitest';
import { address, pageProjection } from './http';

it('a page that is lowered asks everything as the public, and nothing raises it', () => {
  expect(pageProjection('?projection=public')).toBe('public');
  expect(pageProjection('?area=82.71.04&projection=public&projection=staff')).toBe('public');
  for (const search of ['', '?projection=staff', '?projection=', '?q=projection%3Dpublic']) expect(pageProjection(search), search).toBeNull();
  expect(address('/api/v1/incidents', { q: 'air' }, 'public')).toBe('/api/v1/incidents?q=air&projection=public');
  expect(address('/api/v1/city', {}, 'public')).toBe('/api/v1/city?projection=public');
  expect(address('/api/v1/statistics', { by: 'agency', projection: 'public' }, null)).toBe('/api/v1/statistics?by=agency&projection=public');
  expect(address('/api/v1/statistics', { projection: 'public' }, 'public')).toBe('/api/v1/statistics?projection=public');
  expect(address('/api/v1/city', {}, null)).toBe('/api/v1/city');
});
