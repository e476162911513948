import type { Frame } from "./types";

const LITTLE = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;

/** Read float32, little-endian, as the server sends it; no copy is made where the machine is little-endian too. */
export function decodeFloats(body: ArrayBuffer): Float32Array {
  if (body.byteLength % 4) throw new Error(`Float32 come in 4 bytes each; ${body.byteLength} bytes arrived.`);
  if (LITTLE) return new Float32Array(body);
  const view = new DataView(body);
  return Float32Array.from({ length: body.byteLength / 4 }, (_, i) => view.getFloat32(4 * i, true));
}

/**
 * Read a frame.
 *
 * @param rows, components What the headers X-Rows and X-Components say.
 */
export function decodeFrame(body: ArrayBuffer, rows: number, components: number): Frame {
  const values = decodeFloats(body);
  if (!(components === 2 || components === 3) || rows * components !== values.length) {
    throw new Error(`A frame of ${rows} × ${components} was announced, ${values.length} values arrived.`);
  }
  return { values, n: rows, components };
}
