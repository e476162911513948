import { describe, expect, it } from "vitest";
import { type Key, STRINGS, say } from "../src/logic/strings";

const sources = import.meta.glob("../src/**/*.{ts,tsx}", { query: "?raw", import: "default", eager: true }) as Record<
  string,
  string
>;
const places = (text: string): string[] => [...text.matchAll(/\{(\w+)\}/g)].map(([, name]) => name!).sort();
const chinese = /\p{Script=Han}/u;
/** What is called the same in both languages. */
const SAME = new Set<Key>([]);

describe("the strings", () => {
  it.each(Object.entries(STRINGS))("%s has a twin with the same values", (key, [en, zh]) => {
    expect(en).not.toBe("");
    expect(zh).not.toBe("");
    expect(places(zh)).toEqual(places(en));
    if (!SAME.has(key as Key)) expect(zh).toMatch(chinese);
    expect(en).not.toMatch(chinese);
  });
  it("are all used somewhere", () => {
    const text = Object.entries(sources)
      .flatMap(([path, source]) => (path.endsWith("strings.ts") ? [] : [source]))
      .join("\n");
    // "nav.scalar" is used as `nav.${id}`.
    const prefixes = [...text.matchAll(/`([a-z]+\.)\$\{/g)].map(([, prefix]) => prefix!);
    const unused = Object.keys(STRINGS).filter(
      (key) => !text.includes(`"${key}"`) && !prefixes.some((prefix) => key.startsWith(prefix)),
    );
    expect(unused).toEqual([]);
  });
  it("are the only ones: no component holds words of its own", () => {
    const loose: string[] = [];
    for (const [path, source] of Object.entries(sources)) {
      if (!path.endsWith(".tsx")) continue;
      if (chinese.test(source.replaceAll("中", ""))) loose.push(`${path}: Chinese`);
      // Words between tags, and words in attributes that are read to people.
      for (const [, text] of source.matchAll(/>\s*([A-Za-z][A-Za-z ]{3,})\s*</g)) loose.push(`${path}: ${text}`);
      for (const [, text] of source.matchAll(/(?:title|label|aria-label|placeholder)="([^"]+)"/g))
        loose.push(`${path}: ${text}`);
    }
    // The product's name is the same in every language.
    expect(loose.filter((line) => !line.endsWith(": VisualDL"))).toEqual([]);
  });
});

describe("say", () => {
  it("fills in values, and leaves what it is not given", () => {
    expect(say("en", "search.found", { n: 12 })).toBe("12 matches");
    expect(say("zh", "search.found", { n: 12 })).toBe("12 个匹配");
    expect(say("en", "search.found")).toBe("{n} matches");
  });
  it("never takes a value for a pattern", () => {
    expect(say("en", "pin", { label: "$& {n}" })).toBe("Pin $& {n}");
  });
});
