import { describe, expect, it } from "vitest";
import { decodeFloats, decodeFrame } from "../src/source/decode";

/** Bytes as another program would write them: one value at a time, little-endian. */
function bytes(values: number[]): ArrayBuffer {
  const view = new DataView(new ArrayBuffer(4 * values.length));
  values.forEach((value, i) => view.setFloat32(4 * i, value, true));
  return view.buffer;
}

describe("decodeFloats", () => {
  it("reads little-endian float32, NaN included", () => {
    expect([...decodeFloats(bytes([1.5, -0.25, NaN, 3e38]))]).toEqual([1.5, -0.25, NaN, Math.fround(3e38)]);
  });
  it("refuses a body that was cut", () => {
    expect(() => decodeFloats(new ArrayBuffer(7))).toThrow(/7 bytes/);
  });
});

describe("decodeFrame", () => {
  it("keeps rows and components apart", () => {
    const frame = decodeFrame(bytes([1, 2, 3, 4, 5, 6]), 2, 3);
    expect(frame).toMatchObject({ n: 2, components: 3 });
    expect([...frame.values.subarray(3)]).toEqual([4, 5, 6]);
  });
  it.each([
    [3, 2],
    [2, 4],
    [NaN, 2],
  ])("refuses headers that do not fit the body: %s × %s", (rows, components) => {
    expect(() => decodeFrame(bytes([1, 2, 3, 4]), rows, components)).toThrow(/4 values arrived/);
  });
});
