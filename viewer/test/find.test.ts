import { describe, expect, it } from "vitest";
import { find } from "../src/logic/find";

const labels = ["高兴", "不高兴", "高", "Happy", "unhappy", "ＨＡＰＰＹ!"];
const found = (query: string, regex = false): string[] => find(labels, query, regex).rows.map((row) => labels[row]!);

describe("find", () => {
  it("puts the whole word first, then beginnings, then the rest", () => {
    expect(found("高")).toEqual(["高", "高兴", "不高兴"]);
  });
  it("minds neither case nor width", () => {
    expect(found("happy")).toEqual(["Happy", "ＨＡＰＰＹ!", "unhappy"]);
  });
  it("finds nothing for nothing", () => {
    expect(found("  ")).toEqual([]);
  });
  it("takes regular expressions, and says what is wrong with one", () => {
    expect(found("^高.$", true)).toEqual(["高兴"]);
    const { rows, error } = find(labels, "(", true);
    expect(rows).toEqual([]);
    expect(error).toBeTruthy();
  });
  it("takes signs as they are without that", () => {
    expect(find(["a.c", "abc"], "a.c", false).rows).toEqual([0]);
  });
});
