import { describe, expect, it } from "vitest";
import { csvCell, toCsv, toTsv } from "../src/logic/csv";

describe("csvCell", () => {
  it.each([
    ["=1+1", "'=1+1"],
    ["@SUM(A1)", "'@SUM(A1)"],
    ["+cmd|' /C calc'!A0", "'+cmd|' /C calc'!A0"],
    ["-2+3", "'-2+3"],
    ["\t=1", "'\t=1"],
    ['=HYPERLINK("http://x","y")', '"\'=HYPERLINK(""http://x"",""y"")"'],
  ])("disarms a label that a spreadsheet would run: %s", (label, cell) => {
    expect(csvCell(label)).toBe(cell);
  });
  it.each([
    ["高兴", "高兴"],
    ['say "hi", twice', '"say ""hi"", twice"'],
    ["two\nlines", '"two\nlines"'],
    ["-3.5", "-3.5"],
    [-3.5, "-3.5"],
    [NaN, ""],
    [null, ""],
  ])("writes %s plainly", (value, cell) => {
    expect(csvCell(value)).toBe(cell);
  });
});

describe("files", () => {
  it("of CSV begin with the mark of UTF-8 and end their lines as the format has it", () => {
    expect(toCsv(["label", "x"], [["a", 1]])).toBe("\uFEFFlabel,x\r\na,1\r\n");
  });
  it("of TSV have one line a point, whatever a label holds", () => {
    expect(toTsv(["label"], [["a\tb\nc"], ["d"]])).toBe("label\na b c\nd\n");
    expect(toTsv(null, [[1, 2]])).toBe("1\t2\n");
  });
});
