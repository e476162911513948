/**
 * Part of regl's interface that regl-scatterplot uses, on plain WebGL.
 *
 * regl compiles every draw command with `new Function`, which a Content-Security-Policy without 'unsafe-eval' forbids.
 * Here a command is interpreted at every draw: about twenty uniforms per draw and five draws per frame, which takes no
 * measurable time. The bundler replaces regl by this module.
 */

type Numbers = ArrayLike<number>;
interface Context {
  viewportWidth: number;
  viewportHeight: number;
  drawingBufferWidth: number;
  drawingBufferHeight: number;
  pixelRatio: number;
}
type Dynamic<T> = T | ((context: Context, props: Record<string, unknown>) => T);

interface Texture2D {
  readonly _reglType: "texture2d";
  readonly handle: WebGLTexture;
  readonly width: number;
  readonly height: number;
  readonly framebuffers: WebGLFramebuffer[];
  destroy(): void;
}
interface Framebuffer {
  readonly color: Texture2D;
  use(draw: () => void): void;
  destroy(): void;
}
interface BufferOptions {
  data?: Numbers | Numbers[];
  length?: number;
  usage?: "static" | "dynamic" | "stream";
}
interface Buffer {
  (options: BufferOptions): Buffer;
  handle: WebGLBuffer;
  subdata(data: Numbers, offset?: number): void;
  destroy(): void;
}
interface Elements {
  (options: { data: number[] }): Elements;
  handle: WebGLBuffer;
  count: number;
  destroy(): void;
}
interface AttributeView {
  buffer: Dynamic<Buffer>;
  offset?: number;
  stride?: number;
  size?: number;
}
interface Command {
  vert: string;
  frag: string;
  attributes?: Record<string, AttributeView | Dynamic<Numbers | Numbers[]>>;
  uniforms?: Record<string, Dynamic<unknown>>;
  framebuffer?: Dynamic<Framebuffer>;
  blend?: { enable?: boolean; func?: Record<"srcRGB" | "srcAlpha" | "dstRGB" | "dstAlpha", string> };
  depth?: { enable?: boolean };
  count?: Dynamic<number>;
  elements?: Dynamic<Elements | number[]>;
  primitive?: "points" | "triangles";
}
export interface Regl {
  (command: Command): (props?: Record<string, unknown>) => void;
  texture(options: TextureOptions): Texture2D;
  framebuffer(options: FramebufferOptions): Framebuffer;
  buffer(options?: BufferOptions): Buffer;
  elements(): Elements;
  clear(options: { color?: number[]; depth?: number }): void;
  hasExtension(name: string): boolean;
  destroy(): void;
}
interface TextureOptions {
  data?: ArrayBufferView | null;
  shape: number[];
  type?: "float" | "uint8";
}
interface FramebufferOptions {
  width?: number;
  height?: number;
  color?: Texture2D;
}

const FACTORS: Record<string, number> = {
  one: WebGLRenderingContext.ONE,
  "src alpha": WebGLRenderingContext.SRC_ALPHA,
  "one minus src alpha": WebGLRenderingContext.ONE_MINUS_SRC_ALPHA,
};
const USAGES = {
  static: WebGLRenderingContext.STATIC_DRAW,
  dynamic: WebGLRenderingContext.DYNAMIC_DRAW,
  stream: WebGLRenderingContext.STREAM_DRAW,
};
const SIZES: Record<number, number> = {
  [WebGLRenderingContext.FLOAT]: 1,
  [WebGLRenderingContext.FLOAT_VEC2]: 2,
  [WebGLRenderingContext.FLOAT_VEC3]: 3,
  [WebGLRenderingContext.FLOAT_VEC4]: 4,
};

function floats(data: Numbers | Numbers[]): Float32Array {
  if (data instanceof Float32Array) return data;
  const nested = data.length > 0 && typeof data[0] !== "number";
  return new Float32Array(nested ? (data as number[][]).flat() : (data as number[]));
}

function compile(gl: WebGLRenderingContext, vert: string, frag: string): WebGLProgram {
  const program = gl.createProgram();
  for (const [type, source] of [
    [gl.VERTEX_SHADER, vert],
    [gl.FRAGMENT_SHADER, frag],
  ] as const) {
    const shader = gl.createShader(type);
    if (!shader) throw new Error("The WebGL context is lost.");
    gl.shaderSource(shader, source);
    gl.compileShader(shader);
    gl.attachShader(program, shader);
    gl.deleteShader(shader);
  }
  gl.linkProgram(program);
  if (!gl.getProgramParameter(program, gl.LINK_STATUS) && !gl.isContextLost()) {
    throw new Error(`A shader does not link: ${gl.getProgramInfoLog(program)}`);
  }
  return program;
}

export default function createRegl(setup: { gl: WebGLRenderingContext; extensions?: string[] }): Regl {
  const { gl } = setup;
  const extensions = new Set((setup.extensions ?? []).map((name) => name.toLowerCase()));
  const stream = gl.createBuffer();
  let target: { handle: WebGLFramebuffer; texture: Texture2D } | null = null;

  const size = (): [number, number] =>
    target ? [target.texture.width, target.texture.height] : [gl.drawingBufferWidth, gl.drawingBufferHeight];
  const context = (): Context => {
    const [viewportWidth, viewportHeight] = size();
    const { drawingBufferWidth, drawingBufferHeight } = gl;
    return { viewportWidth, viewportHeight, drawingBufferWidth, drawingBufferHeight, pixelRatio: devicePixelRatio };
  };
  const bind = (): void => {
    gl.bindFramebuffer(gl.FRAMEBUFFER, target?.handle ?? null);
    gl.viewport(0, 0, ...size());
  };
  const within = (next: typeof target, draw: () => void): void => {
    const before = target;
    target = next;
    bind();
    draw();
    target = before;
    bind();
  };

  function texture({ data = null, shape, type = "uint8" }: TextureOptions): Texture2D {
    const handle = gl.createTexture();
    const [width = 1, height = 1] = shape;
    const framebuffers: WebGLFramebuffer[] = [];
    gl.bindTexture(gl.TEXTURE_2D, handle);
    for (const filter of [gl.TEXTURE_MIN_FILTER, gl.TEXTURE_MAG_FILTER])
      gl.texParameteri(gl.TEXTURE_2D, filter, gl.NEAREST);
    for (const wrap of [gl.TEXTURE_WRAP_S, gl.TEXTURE_WRAP_T]) gl.texParameteri(gl.TEXTURE_2D, wrap, gl.CLAMP_TO_EDGE);
    const format = type === "float" ? gl.FLOAT : gl.UNSIGNED_BYTE;
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA, width, height, 0, gl.RGBA, format, data);
    const destroy = (): void => {
      // regl-scatterplot leaks a framebuffer in every transition; it is deleted with its texture.
      for (const framebuffer of framebuffers.splice(0)) gl.deleteFramebuffer(framebuffer);
      gl.deleteTexture(handle);
    };
    return { _reglType: "texture2d", handle, width, height, framebuffers, destroy };
  }

  function framebuffer(options: FramebufferOptions): Framebuffer {
    const { width = 1, height = 1 } = options;
    const color = options.color ?? texture({ shape: [Math.max(1, width), Math.max(1, height), 4], type: "float" });
    const handle = gl.createFramebuffer();
    gl.bindFramebuffer(gl.FRAMEBUFFER, handle);
    gl.framebufferTexture2D(gl.FRAMEBUFFER, gl.COLOR_ATTACHMENT0, gl.TEXTURE_2D, color.handle, 0);
    color.framebuffers.push(handle);
    bind();
    return {
      color,
      use: (draw) => within({ handle, texture: color }, draw),
      destroy: () => color.destroy(),
    };
  }

  function buffer(options: BufferOptions = {}): Buffer {
    const handle = gl.createBuffer();
    const fill = ({ data, length = 0, usage = "static" }: BufferOptions): Buffer => {
      gl.bindBuffer(gl.ARRAY_BUFFER, handle);
      if (data) gl.bufferData(gl.ARRAY_BUFFER, floats(data), USAGES[usage]);
      else gl.bufferData(gl.ARRAY_BUFFER, length, USAGES[usage]);
      return self;
    };
    const self: Buffer = Object.assign(fill, {
      handle,
      subdata(data: Numbers, offset = 0): void {
        gl.bindBuffer(gl.ARRAY_BUFFER, handle);
        gl.bufferSubData(gl.ARRAY_BUFFER, offset, floats(data));
      },
      destroy: () => gl.deleteBuffer(handle),
    });
    return fill(options);
  }

  function elements(): Elements {
    const handle = gl.createBuffer();
    const self: Elements = Object.assign(
      ({ data }: { data: number[] }): Elements => {
        gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, handle);
        gl.bufferData(gl.ELEMENT_ARRAY_BUFFER, new Uint32Array(data), gl.DYNAMIC_DRAW);
        self.count = data.length;
        return self;
      },
      { handle, count: 0, destroy: () => gl.deleteBuffer(handle) },
    );
    return self;
  }

  function setUniform(location: WebGLUniformLocation, type: number, value: unknown, unit: number): number {
    if (type === gl.SAMPLER_2D) {
      const sampled = value as Texture2D | Framebuffer | undefined;
      if (!sampled) return unit;
      gl.activeTexture(gl.TEXTURE0 + unit);
      gl.bindTexture(gl.TEXTURE_2D, "color" in sampled ? sampled.color.handle : sampled.handle);
      gl.uniform1i(location, unit);
      return unit + 1;
    }
    if (type === gl.FLOAT) gl.uniform1f(location, Number(value));
    else if (type === gl.INT || type === gl.BOOL) gl.uniform1i(location, Number(value));
    else if (type === gl.FLOAT_VEC2) gl.uniform2fv(location, value as Float32List);
    else if (type === gl.FLOAT_VEC3) gl.uniform3fv(location, value as Float32List);
    else if (type === gl.FLOAT_VEC4) gl.uniform4fv(location, value as Float32List);
    else if (type === gl.FLOAT_MAT4) gl.uniformMatrix4fv(location, false, value as Float32List);
    return unit;
  }

  function setAttribute(location: number, type: number, view: AttributeView | Numbers | Numbers[]): void {
    const components = SIZES[type] ?? 4;
    gl.enableVertexAttribArray(location);
    if ("buffer" in view) {
      const source = view.buffer as Buffer | (() => Buffer);
      gl.bindBuffer(gl.ARRAY_BUFFER, ("handle" in source ? source : source()).handle);
      gl.vertexAttribPointer(location, view.size ?? components, gl.FLOAT, false, view.stride ?? 0, view.offset ?? 0);
    } else {
      gl.bindBuffer(gl.ARRAY_BUFFER, stream);
      gl.bufferData(gl.ARRAY_BUFFER, floats(view), gl.STREAM_DRAW);
      gl.vertexAttribPointer(location, components, gl.FLOAT, false, 0, 0);
    }
  }

  function command(spec: Command): (props?: Record<string, unknown>) => void {
    const program = compile(gl, spec.vert, spec.frag);
    const active = (kind: number): number => gl.getProgramParameter(program, kind) ?? 0;
    const uniforms = Array.from({ length: active(gl.ACTIVE_UNIFORMS) }, (_, i) => gl.getActiveUniform(program, i)!).map(
      ({ name, type }) => ({ name, type, location: gl.getUniformLocation(program, name)! }),
    );
    const attributes = Array.from(
      { length: active(gl.ACTIVE_ATTRIBUTES) },
      (_, i) => gl.getActiveAttrib(program, i)!,
    ).map(({ name, type }) => ({ name, type, location: gl.getAttribLocation(program, name) }));
    const shared = elements();

    const draw = (props: Record<string, unknown>): void => {
      const now = context();
      const read = <T>(value: Dynamic<T>): T =>
        typeof value === "function" ? (value as (context: Context, props: unknown) => T)(now, props) : value;
      gl.useProgram(program);
      gl.disable(gl.DEPTH_TEST);
      if (spec.blend?.enable) {
        const { srcRGB = "one", dstRGB = "one", srcAlpha = "one", dstAlpha = "one" } = spec.blend.func ?? {};
        gl.enable(gl.BLEND);
        gl.blendFuncSeparate(FACTORS[srcRGB]!, FACTORS[dstRGB]!, FACTORS[srcAlpha]!, FACTORS[dstAlpha]!);
      } else gl.disable(gl.BLEND);
      let unit = 0;
      for (const { name, type, location } of uniforms) {
        unit = setUniform(location, type, read(spec.uniforms?.[name]), unit);
      }
      for (const { name, type, location } of attributes) {
        const view = spec.attributes?.[name];
        if (view) setAttribute(location, type, typeof view === "function" ? read(view) : view);
      }
      const primitive = spec.primitive === "points" ? gl.POINTS : gl.TRIANGLES;
      if (spec.elements === undefined) gl.drawArrays(primitive, 0, read(spec.count) ?? 0);
      else {
        const given =
          typeof spec.elements === "function" && !("handle" in spec.elements) ? read(spec.elements) : spec.elements;
        const list = Array.isArray(given) ? shared({ data: given }) : (given as Elements);
        gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, list.handle);
        gl.drawElements(primitive, list.count, gl.UNSIGNED_INT, 0);
      }
      for (const { location } of attributes) gl.disableVertexAttribArray(location);
    };
    return (props = {}) => {
      if (gl.isContextLost()) return;
      const own = spec.framebuffer;
      const into = typeof own === "function" ? own(context(), props) : own;
      if (into) into.use(() => draw(props));
      else {
        bind();
        draw(props);
      }
    };
  }

  return Object.assign(command, {
    texture,
    framebuffer,
    buffer,
    elements,
    clear({ color = [0, 0, 0, 0] }: { color?: number[] }): void {
      bind();
      gl.clearColor(color[0] ?? 0, color[1] ?? 0, color[2] ?? 0, color[3] ?? 0);
      gl.clear(gl.COLOR_BUFFER_BIT);
    },
    hasExtension: (name: string) => extensions.has(name.toLowerCase()),
    destroy: () => gl.getExtension("WEBGL_lose_context")?.loseContext(),
  });
}
