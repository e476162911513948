// A view: Plotly draws the points, a canvas above them draws what changes with every move of the pointer.

const Plot = globalThis.Plotly ?? globalThis.moduleName;
const hasWebGL = (() => {
  const canvas = document.createElement("canvas");
  return Boolean(canvas.getContext("webgl") ?? canvas.getContext("webgl2"));
})();
const BINS = 320;
const SPARSE = 6000;
const CAMERA = { eye: { x: 1.45, y: 1.45, z: 1.1 }, center: { x: 0, y: 0, z: 0 }, up: { x: 0, y: 0, z: 1 } };

class MapView {
  constructor(view, page) {
    this.view = view;
    this.page = page;
    this.rows = [];
    this.range = null;
    this.plot = make("div");
    this.canvas = make("canvas");
    this.stage = make("div", { className: "stage" }, this.plot, this.canvas);
    this.head = make("header");
    this.element = make("article", { className: "map" }, this.head, this.stage);
    this.element.dataset.view = view.key;
    this.size = Math.min(8, Math.max(2.4, 32 / Math.max(1, data.n) ** 0.25));
    this.ends = extent(view);
    this.opacity = Math.min(0.9, Math.max(0.4, 1.32 - 0.165 * Math.log10(Math.max(1, data.n))));
  }

  get space() { return this.view.components === 3; }

  describe() {
    const view = this.view;
    const shown = Object.entries(view.numbers).map(([name, value]) =>
      make("span", { title: data.metrics[name]?.[state.language] },
        `${say(name)} `, make("b", {}, name === "explained_variance" ? `${figure(100 * value)}%` : figure(value))));
    this.head.replaceChildren(
      make("h3", {}, viewName(view), make("small", { title: parameterText(view) }, viewVaried(view))),
      make("p", { className: "numbers" }, ...shown,
        this.shaded ? make("span", {}, say("density")) : null),
    );
  }

  async start() {
    const none = "rgba(0,0,0,0)";
    const layout = {
      margin: { l: 0, r: 0, t: 0, b: 0 }, paper_bgcolor: none, plot_bgcolor: none, showlegend: false,
      hovermode: "closest", hoverdistance: 14, dragmode: state.drag, uirevision: "keep", images: [],
    };
    if (this.space) {
      const axis = { visible: false, showspikes: false };
      layout.scene = { xaxis: axis, yaxis: axis, zaxis: axis, aspectmode: "data", camera: CAMERA, dragmode: "orbit", bgcolor: none };
      layout.dragmode = "orbit";
    } else {
      layout.xaxis = { visible: false, range: [...this.ends[0]] };
      layout.yaxis = { visible: false, range: [...this.ends[1]], scaleanchor: "x" };
    }
    this.layout = layout;
    this.choose();
    await Plot.newPlot(this.plot, [this.trace()], layout, {
      displayModeBar: false, scrollZoom: true, doubleClick: "reset", showTips: false, responsive: false,
    });
    this.ready = true;
    this.listen();
    this.describe();
    this.overlay();
    if (this.space) this.follow();
  }

  listen() {
    const { plot, page } = this;
    const rowOf = (event) => this.rows[event.points?.[0]?.pointNumber];
    plot.on("plotly_hover", (event) => page.hover(rowOf(event), event.event, this));
    plot.on("plotly_unhover", () => page.hover(null));
    plot.on("plotly_click", (event) => page.pin(rowOf(event)));
    plot.on("plotly_selected", (event) => {
      // Taking the outline away, below, tells of a selection too, which nobody made.
      if (!event?.lassoPoints && !event?.range) return;
      const rows = event.points.map((point) => this.rows[point.pointNumber]);
      page.mark(rows.length ? { rows: new Set(rows), why: "selection" } : null);
      // The outline has done its work; the rows are marked in all views.
      Plot.relayout(plot, { selections: [] });
    });
    plot.on("plotly_doubleclick", () => { this.touched = false; });
    plot.on("plotly_relayouting", (event) => { this.touched = true; this.range = rangeOf(event); this.overlay(); });
    plot.on("plotly_relayout", () => { this.range = null; this.zoomed(); });
    plot.on("plotly_afterplot", () => this.overlay());
    new ResizeObserver(() => {
      if (!this.stage.clientWidth) return;
      // Plotly widens the axes to fit the new shape but never narrows them: begin anew, unless the reader has zoomed.
      Promise.resolve(Plot.Plots.resize(plot)).then(() => (this.touched || this.space ? this.overlay() : this.reset())).catch(() => {});
    }).observe(this.stage);
  }

  trace() {
    const { view, rows } = this;
    const c = view.components;
    const along = (axis) => Float32Array.from(rows, (row) => view.places[row * c + axis]);
    const color = painter(view);
    const same = { marker: { opacity: this.opacity } };
    const trace = {
      x: along(0), y: along(1), mode: "markers", hoverinfo: "none",
      marker: {
        color: rows.map(color), size: this.space ? this.size * 0.7 : this.size, opacity: this.opacity, line: { width: 0 },
      },
    };
    if (this.space) return { ...trace, type: "scatter3d", z: along(2) };
    return { ...trace, type: hasWebGL ? "scattergl" : "scatter", selected: same, unselected: same };
  }

  /** Choose the rows that are drawn as dots: all, or of very many those that lie alone. */
  choose() {
    const all = rowsInOrder(this.view);
    const most = hasWebGL ? MANY : 4000;
    this.shaded = !this.space && all.length > most;
    this.rows = all;
    this.layout.images = [];
    if (!this.shaded) return;
    const inside = this.inView(all);
    const few = inside.length <= most / 2;
    const { image, alone } = this.bin(all);
    this.rows = few ? inside : alone;
    this.layout.images = [image];
  }

  inView(rows) {
    const axes = this.plot._fullLayout && [this.plot._fullLayout.xaxis.range, this.plot._fullLayout.yaxis.range];
    if (!axes) return rows;
    const { places } = this.view;
    return rows.filter((row) => places[2 * row] >= axes[0][0] && places[2 * row] <= axes[0][1]
      && places[2 * row + 1] >= axes[1][0] && places[2 * row + 1] <= axes[1][1]);
  }

  bin(rows) {
    const { places } = this.view;
    const [[left, right], [bottom, top]] = this.ends;
    const counts = new Uint32Array(BINS * BINS), sums = new Float32Array(3 * BINS * BINS);
    const where = new Int32Array(rows.length), color = painter(this.view), cache = new Map();
    const rgb = (hex) => {
      if (!cache.has(hex)) cache.set(hex, [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16)));
      return cache.get(hex);
    };
    const clamp = (x) => Math.min(BINS - 1, Math.max(0, Math.floor(x)));
    rows.forEach((row, i) => {
      const x = clamp(((places[2 * row] - left) / (right - left)) * BINS);
      const y = clamp(((top - places[2 * row + 1]) / (top - bottom)) * BINS);
      const bin = (where[i] = y * BINS + x);
      counts[bin]++;
      rgb(color(row)).forEach((value, channel) => { sums[3 * bin + channel] += value; });
    });
    const most = Math.log1p(counts.reduce((a, b) => Math.max(a, b), 1));
    const canvas = make("canvas", { width: BINS, height: BINS });
    const context = canvas.getContext("2d");
    const pixels = context.createImageData(BINS, BINS);
    counts.forEach((n, bin) => {
      if (!n) return;
      for (let channel = 0; channel < 3; channel++) pixels.data[4 * bin + channel] = sums[3 * bin + channel] / n;
      pixels.data[4 * bin + 3] = 255 * (0.12 + (0.88 * Math.log1p(n)) / most);
    });
    context.putImageData(pixels, 0, 0);
    const image = {
      source: canvas.toDataURL(), xref: "x", yref: "y", x: left, y: top, sizex: right - left, sizey: top - bottom,
      sizing: "stretch", layer: "below",
    };
    const alone = rows.filter((_, i) => counts[where[i]] <= 3);
    const every = Math.max(1, alone.length / SPARSE);
    return { image, alone: alone.filter((_, i) => Math.floor(i / every) !== Math.floor((i - 1) / every)) };
  }

  redraw() {
    if (!this.ready) return;
    this.choose();
    this.describe();
    this.layout.dragmode = this.space ? "orbit" : state.drag;
    Plot.react(this.plot, [this.trace()], this.layout).then(() => this.overlay());
  }

  zoomed() {
    this.overlay();
    if (!this.shaded) return;
    clearTimeout(this.waiting);
    this.waiting = setTimeout(() => this.redraw(), 120);
  }

  reset() {
    if (!this.ready) return;
    this.touched = false;
    if (this.space) Plot.relayout(this.plot, { "scene.camera": CAMERA });
    else Plot.relayout(this.plot, { "xaxis.range": [...this.ends[0]], "yaxis.range": [...this.ends[1]] });
  }

  /** In space the camera moves without telling: look for it once a frame. */
  follow() {
    if (!this.element.isConnected) return;
    const camera = this.plot._fullLayout?.scene?._scene?.glplot?.cameraParams;
    const now = camera ? Array.from(camera.view).join() : "";
    if (now !== this.cameraBefore) { this.cameraBefore = now; this.overlay(); }
    requestAnimationFrame(() => this.follow());
  }

  stop() {
    this.element.remove();
    if (this.ready) Plot.purge(this.plot);
    this.ready = false;
  }
}

/** Where the points begin and end along each axis, with a little room. */
function extent(view) {
  return Array.from({ length: view.components }, (_, axis) => {
    let low = Infinity, high = -Infinity;
    for (let i = axis; i < view.places.length; i += view.components) {
      if (view.places[i] < low) low = view.places[i];
      if (view.places[i] > high) high = view.places[i];
    }
    const room = 0.05 * (high - low) || 1;
    return Number.isFinite(low) ? [low - room, high + room] : [-1, 1];
  });
}

/** Ranges of the axes while they are being dragged. */
function rangeOf(event) {
  const ends = ["x", "y"].map((axis) => event[`${axis}axis.range`] ?? [event[`${axis}axis.range[0]`], event[`${axis}axis.range[1]`]]);
  return ends.every((pair) => pair.every(Number.isFinite)) ? ends : null;
}

function parameterText(view) {
  return Object.entries(view.parameters).map(([name, value]) =>
    `${known(name) ? say(name) : name.replaceAll("_", " ")} ${typeof value === "number" ? figure(value) : known(value) ? say(value) : value}`).join(" · ");
}
