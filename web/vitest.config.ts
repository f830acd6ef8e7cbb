import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    projects: [
      {
        plugins: [svelte()],
        test: { name: 'unit', environment: 'node', include: ['src/**/*.test.ts'] },
      },
      {
        test: {
          name: 'e2e',
          environment: 'node',
          include: ['e2e/**/*.test.ts'],
          // One server and one browser at a time: two cores draw the maps in software.
          fileParallelism: false,
          testTimeout: 90_000,
          hookTimeout: 90_000,
        },
      },
      {
        test: { name: 'shots', environment: 'node', include: ['shots/**/*.shots.ts'], hookTimeout: 300_000 },
      },
      {
        test: { name: 'speed', environment: 'node', include: ['speed/**/*.speed.ts'], hookTimeout: 300_000 },
      },
    ],
  },
});
