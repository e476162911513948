import { describe, expect, it } from "vitest";

const sources = import.meta.glob("../src/**/*.{ts,tsx}", { query: "?raw", import: "default", eager: true }) as Record<
  string,
  string
>;

describe("text from the server", () => {
  it.each([
    "innerHTML",
    "outerHTML",
    "dangerouslySetInnerHTML",
    "insertAdjacentHTML",
    "document.write",
    "eval(",
    "new Function(",
  ])("never goes through %s", (way) => {
    const code = Object.entries(sources).filter(([, source]) => source.replace(/\/\*[\s\S]*?\*\//g, "").includes(way));
    expect(code.map(([path]) => path)).toEqual([]);
  });
  it("is fetched from this server only", () => {
    for (const [path, source] of Object.entries(sources)) expect(source, path).not.toMatch(/https?:\/\//);
  });
});
