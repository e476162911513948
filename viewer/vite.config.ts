import { defineConfig } from "vitest/config";

/** Keeps only the names of metrics of the catalog; the page gets descriptions as data. */
const catalogTitles = {
  name: "catalog-titles",
  enforce: "pre" as const,
  transform(code: string, id: string) {
    if (!id.endsWith("/metrics/catalog.json")) return undefined;
    const catalog = JSON.parse(code) as Record<string, unknown>;
    return JSON.stringify(catalog, [...Object.keys(catalog), "title", "title_zh"]);
  },
};

export default defineConfig({
  plugins: [catalogTitles],
  // The page is mounted below a path that only the server knows.
  base: "./",
  resolve: {
    alias: {
      // regl compiles its draw commands with `new Function`, which the page's Content-Security-Policy forbids.
      // `npm run dev` resolves an alias "/src/…" from the root of the disk, so the whole path is given.
      regl: new URL("./src/map/regl.ts", import.meta.url).pathname,
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
    fs: { allow: [".", "../visualdl_embedding/metrics"] },
    proxy: { "/api": "http://127.0.0.1:8040/app/embeddings" },
  },
  test: { include: ["test/**/*.test.ts"] },
});
