import { defineConfig } from 'vite'
import { pageWords } from './words'

// The page is served by `weigh serve` under a policy that allows nothing inline and nothing foreign.
export default defineConfig({
  base: './',
  plugins: [pageWords()],
  esbuild: { jsx: 'automatic', jsxImportSource: 'preact', legalComments: 'none' },
  build: {
    target: 'es2022',
    outDir: '../src/weighbridge/serve/page',
    emptyOutDir: true,
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    chunkSizeWarningLimit: 700,
  },
  server: { port: 5173, proxy: { '/api': 'http://127.0.0.1:8080' } },
})
