import { describe, expect, it } from "vitest";
import catalog from "../../visualdl_embedding/metrics/catalog.json";
import { metricTitle } from "../src/logic/strings";

/** Metrics with the same name in both languages: coordinates. */
const SAME = ["x", "y", "z"];
const chinese = /\p{Script=Han}/u;

describe("the names of metrics", () => {
  it.each(Object.keys(catalog))("%s has one in each language", (name) => {
    const [en, zh] = [metricTitle("en", name)!, metricTitle("zh", name)!];
    expect(en).not.toBe("");
    expect(en).not.toMatch(chinese);
    if (SAME.includes(name)) expect(zh).toBe(en);
    else expect(zh).toMatch(chinese);
  });
  it("are all that the page keeps of the catalog", () => {
    for (const record of Object.values(catalog)) expect(Object.keys(record)).toEqual(["title", "title_zh"]);
  });
  it("do not include names of objects", () => {
    for (const name of ["toString", "constructor", "__proto__"]) expect(metricTitle("en", name)).toBeUndefined();
  });
});
