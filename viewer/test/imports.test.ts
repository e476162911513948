import { describe, expect, it } from "vitest";

const sources = import.meta.glob("../src/**/*.{ts,tsx}", { query: "?raw", import: "default", eager: true }) as Record<
  string,
  string
>;

/** From the lowest: a file imports files of its own folder and of lower ones. */
const FLOORS = ["source", "logic", "state", "map", "parts", "side", ""];
const MOST_FILES = 15;
const MOST_LINES = 400;

const nameOf = (path: string): string => path.replace("../src/", "");
const folderOf = (name: string): string => name.slice(0, Math.max(0, name.lastIndexOf("/")));

/** Files that a file imports, types included. */
function importsOf(name: string, text: string): string[] {
  return [...text.matchAll(/^(?:import|export|\} from)[^;]*?"(\.[^"]+)"/gms)].flatMap(([, spec]) => {
    const path = new URL(spec!, `file:///${name}`).pathname.slice(1);
    return [`${path}.ts`, `${path}.tsx`, `${path}/index.ts`].filter((one) => `../src/${one}` in sources);
  });
}
const graph = new Map(Object.entries(sources).map(([path, text]) => [nameOf(path), importsOf(nameOf(path), text)]));

describe("the files of the page", () => {
  it("import one another, as this test reads them", () => {
    expect(graph.get("main.tsx")).toContain("side/search.tsx");
    expect(graph.get("state/model.ts")).toContain("source/types.ts");
    expect(graph.get("state/panels.ts")).toContain("state/model.ts");
  });
  it("import no file that imports them", () => {
    const done = new Set<string>();
    const cycles: string[] = [];
    const visit = (name: string, way: string[]): void => {
      if (way.includes(name)) cycles.push([...way.slice(way.indexOf(name)), name].join(" > "));
      if (way.includes(name) || done.has(name)) return;
      for (const next of graph.get(name) ?? []) visit(next, [...way, name]);
      done.add(name);
    };
    for (const name of graph.keys()) visit(name, []);
    expect(cycles).toEqual([]);
  });
  it("import lower folders only", () => {
    const upward = [...graph].flatMap(([name, imports]) =>
      imports
        .filter((one) => FLOORS.indexOf(folderOf(one)) > FLOORS.indexOf(folderOf(name)))
        .map((one) => `${name} > ${one}`),
    );
    expect(upward).toEqual([]);
    expect([...graph.keys()].filter((name) => !FLOORS.includes(folderOf(name)))).toEqual([]);
  });
  it("are short, and few in each folder", () => {
    const long = Object.entries(sources).filter(([, text]) => text.split("\n").length > MOST_LINES);
    expect(long.map(([path]) => path)).toEqual([]);
    for (const floor of FLOORS) {
      const files = [...graph.keys()].filter((name) => folderOf(name) === floor);
      expect(files.length, floor).toBeLessThanOrEqual(MOST_FILES);
    }
  });
});
