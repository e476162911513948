/** Renderer of regl-scatterplot, one for each map. */
import type { createRenderer } from "regl-scatterplot";
import createRegl from "./regl";

export type Renderer = ReturnType<typeof createRenderer> & {
  /** Check for drawings at every frame for a while. Idle maps take no time. */
  wake(): void;
};

const EXTENSIONS = ["OES_texture_float", "OES_element_index_uint", "WEBGL_color_buffer_float", "EXT_float_blend"];
/** Preserve the drawing, so that an export can read it at any time. */
const CONTEXT: WebGLContextAttributes = { antialias: false, depth: false, preserveDrawingBuffer: true };

function contextOf(canvas: HTMLCanvasElement): WebGLRenderingContext | null {
  const gl = canvas.getContext("webgl", CONTEXT);
  return gl && EXTENSIONS.every((name) => gl.getExtension(name)) ? gl : null;
}

/** Whether this browser can draw into float textures. */
export function isSupported(): boolean {
  const gl = contextOf(document.createElement("canvas"));
  gl?.getExtension("WEBGL_lose_context")?.loseContext();
  return gl !== null;
}

const AWAKE_MS = 150;

/**
 * Draw directly on the visible canvas, and only during changes.
 *
 * The library's own renderer draws all maps on one hidden canvas and copies from it. With software WebGL, each copy
 * waits for the drawing, which blocked the page for hundreds of milliseconds at 50,000 points. It also checks for drawings at
 * every frame, forever.
 */
export function rendererFor(canvas: HTMLCanvasElement): Renderer {
  const gl = contextOf(canvas);
  if (!gl) throw new Error("This browser has no WebGL that can draw into float textures.");
  const regl = createRegl({ gl, extensions: EXTENSIONS });
  const draws = new Set<() => void>();
  let request = 0;
  let awakeUntil = 0;
  const tick = (): void => {
    request = 0;
    draws.forEach((draw) => draw());
    if (performance.now() < awakeUntil) request ||= requestAnimationFrame(tick);
  };
  const made = {
    canvas,
    regl,
    gamma: 1,
    isSupported: true,
    isDestroyed: false,
    wake(): void {
      awakeUntil = performance.now() + AWAKE_MS;
      if (!made.isDestroyed) request ||= requestAnimationFrame(tick);
    },
    render(draw: () => void): void {
      regl.clear({});
      draw();
    },
    // The library sets the size of the map's canvas.
    resize(): void {},
    refresh(): void {},
    onFrame(draw: () => void): () => void {
      draws.add(draw);
      return () => draws.delete(draw);
    },
    destroy(): void {
      made.isDestroyed = true;
      cancelAnimationFrame(request);
      regl.destroy();
    },
  };
  return made as unknown as Renderer;
}
