import { defineConfig } from "vitest/config";

export default defineConfig({
  // The page is mounted below a path that only the server knows.
  base: "./",
  resolve: {
    alias: {
      // regl compiles its draw commands with `new Function`, which the page's Content-Security-Policy forbids.
      regl: "/src/map/regl.ts",
    },
  },
  build: {
    outDir: "../visualdl_embedding/server/static",
    emptyOutDir: true,
    target: "es2022",
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
    license: { fileName: "assets/licenses.md" },
  },
  server: {
    proxy: { "/api": "http://127.0.0.1:8040/app/embeddings" },
  },
  test: { include: ["test/**/*.test.ts"] },
});
