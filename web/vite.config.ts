import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig } from 'vite';

const pages = ['index', 'wall', 'console', 'field', 'embed', 'login', 'statistics', 'sitrep', 'handover', 'audit', 'replay'];
const server = process.env.PANTAU_URL ?? 'http://127.0.0.1:8080';

export default defineConfig({
  plugins: [svelte()],
  // The content security policy of the server has no inline scripts: the module-preload helper stays a file.
  build: {
    target: 'es2022',
    assetsInlineLimit: 0,
    chunkSizeWarningLimit: 1200,
    modulePreload: { polyfill: false },
    rollupOptions: { input: Object.fromEntries(pages.map((page) => [page, `${page}.html`])) },
  },
  // For developing the pages against a running server.
  server: {
    proxy: {
      '/api': { target: server, ws: true },
      '/tiles': server,
    },
  },
});
