import type { Frame } from "./types";

const LITTLE = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;

/** Read little-endian float32, without a copy on little-endian machines. */
export function decodeFloats(body: ArrayBuffer): Float32Array {
  if (body.byteLength % 4) throw new Error(`Float32 come in 4 bytes each; ${body.byteLength} bytes arrived.`);
  if (LITTLE) return new Float32Array(body);
  const view = new DataView(body);
  return Float32Array.from({ length: body.byteLength / 4 }, (_, i) => view.getFloat32(4 * i, true));
}

/**
 * Read a frame.
 *
 * @param rows, components Values of the headers X-Rows and X-Components.
 */
export function decodeFrame(body: ArrayBuffer, rows: number, components: number): Frame {
  const values = decodeFloats(body);
  if (!(components === 2 || components === 3) || rows * components !== values.length) {
    throw new Error(`A frame of ${rows} × ${components} was announced, ${values.length} values arrived.`);
  }
  return { values, n: rows, components };
}

/** Decode base64. */
function bytes(packed: string): ArrayBuffer {
  const raw = atob(packed);
  const out = new Uint8Array(raw.length);
  for (let i = 0; i < raw.length; i++) out[i] = raw.charCodeAt(i);
  return out.buffer;
}

export const base64Floats = (packed: string): Float32Array => decodeFloats(bytes(packed));

export function base64Ints(packed: string): Int32Array {
  const view = new DataView(bytes(packed));
  return Int32Array.from({ length: view.byteLength / 4 }, (_, i) => view.getInt32(4 * i, true));
}
