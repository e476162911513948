// What lies over the points of a view: marked rows, the word in focus with its true neighbors, labels.

const DIRECTIONS = [[1, 0], [-1, 0], [0, -1], [0, 1], [1, -1], [-1, -1], [1, 1], [-1, 1]];

/** A function from rows to pixels, or null where the row has no place in sight. */
MapView.prototype.projector = function () {
  const { view, plot, stage } = this;
  const width = stage.clientWidth, height = stage.clientHeight;
  const inside = (x, y) => (x >= 0 && y >= 0 && x <= width && y <= height ? [x, y] : null);
  if (!this.space) {
    const full = plot._fullLayout;
    const [[left, right], [bottom, top]] = this.range ?? [full.xaxis.range, full.yaxis.range];
    const { _offset: startX, _length: lengthX } = full.xaxis, { _offset: startY, _length: lengthY } = full.yaxis;
    return (row) => {
      const x = view.places[2 * row], y = view.places[2 * row + 1];
      if (!Number.isFinite(x)) return null;
      return inside(startX + ((x - left) / (right - left)) * lengthX, startY + ((top - y) / (top - bottom)) * lengthY);
    };
  }
  const scene = plot._fullLayout?.scene?._scene;
  const camera = scene?.glplot?.cameraParams;
  if (!camera) return () => null;
  const scale = scene.dataScale ?? [1, 1, 1];
  const times = (matrix, v) => [0, 1, 2, 3].map((j) => matrix[j] * v[0] + matrix[4 + j] * v[1] + matrix[8 + j] * v[2] + matrix[12 + j] * v[3]);
  return (row) => {
    const [x, y, z] = [0, 1, 2].map((axis) => view.places[3 * row + axis] * scale[axis]);
    if (!Number.isFinite(x)) return null;
    const [a, b, , w] = times(camera.projection, times(camera.view, times(camera.model, [x, y, z, 1])));
    return w > 0 ? inside((a / w + 1) * 0.5 * width, (1 - b / w) * 0.5 * height) : null;
  };
};

MapView.prototype.overlay = function () {
  if (!this.ready || !this.plot._fullLayout) return;
  const { canvas, stage, view } = this;
  const ratio = devicePixelRatio || 1, width = stage.clientWidth, height = stage.clientHeight;
  if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
  }
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  const at = this.projector(), color = painter(view);
  const dot = (row, radius, stroke, line = 1.5) => {
    const place = at(row);
    if (!place) return null;
    context.beginPath();
    context.arc(...place, radius, 0, 2 * Math.PI);
    context.fillStyle = color(row);
    context.fill();
    if (stroke) {
      context.strokeStyle = stroke;
      context.lineWidth = line;
      context.stroke();
    }
    return place;
  };
  const radius = this.size / 2;
  if (state.marked) {
    context.globalAlpha = 0.78;
    context.fillStyle = theme.paper;
    context.fillRect(0, 0, width, height);
    context.globalAlpha = 1;
    for (const row of state.marked.rows) if (seen(row)) dot(row, radius + 1, theme.ink, 0.6);
  }
  if (state.doubt) this.drawDoubt(context, at);
  const labels = new LabelWriter(context, width, height);
  const focus = state.focus, near = focus === null ? [] : neighborsOf(focus, 10);
  if (focus !== null && at(focus)) {
    const from = at(focus);
    context.strokeStyle = theme.accent;
    for (const { row, cosine } of near) {
      const to = at(row);
      if (!to) continue;
      context.globalAlpha = Math.min(0.8, Math.max(0.15, cosine));
      context.lineWidth = 1;
      context.beginPath();
      context.moveTo(...from);
      context.lineTo(...to);
      context.stroke();
    }
    context.globalAlpha = 1;
  }
  for (const { row } of near) dot(row, radius + 1.5, theme.accent, 1.5);
  for (const row of state.pins) dot(row, radius + 3, theme.ink, 2);
  if (focus !== null) dot(focus, radius + 4, theme.accent, 2.5);
  const strong = [...new Set([...(focus === null ? [] : [focus]), ...state.pins])];
  for (const row of strong) labels.write(row, at(row), radius + 6, { must: true, bold: true, color: row === focus ? theme.accent : theme.ink });
  for (const { row } of near) labels.write(row, at(row), radius + 4, { color: theme.accent });
  if (state.marked) {
    let left = 40;
    for (const row of state.marked.rows) if (left > 0 && seen(row)) left -= labels.write(row, at(row), radius + 3, { color: theme.ink });
  } else if (state.labels) {
    let left = Math.max(6, Math.round((width * height) / 16000));
    for (const row of data.telling) {
      if (left <= 0) break;
      if (seen(row)) left -= labels.write(row, at(row), radius + 3, { color: theme.quiet, apart: 70 });
    }
  }
};

/** A dashed outline around clusters that no other method shows. */
MapView.prototype.drawDoubt = function (context, at) {
  // A map torn into many islands would be covered by words.
  const words = this.view.doubtful.length > 4 ? "?" : `? ${say("only-here")}`;
  for (const cluster of this.view.doubtful) {
    const places = cluster.map(at).filter(Boolean);
    if (places.length < 3) continue;
    const outline = hull(places);
    context.save();
    context.strokeStyle = context.fillStyle = theme.warning;
    context.setLineDash([5, 4]);
    context.lineWidth = this.view.doubtful.length > 4 ? 0.8 : 1.3;
    context.beginPath();
    outline.forEach(([x, y], i) => (i ? context.lineTo(x, y) : context.moveTo(x, y)));
    context.closePath();
    context.stroke();
    const [x, y] = outline.reduce((a, b) => (b[1] < a[1] ? b : a));
    context.font = `11px ${theme.font}`;
    context.textAlign = "center";
    context.fillText(words, x, Math.max(12, y - 5));
    context.restore();
  }
};

/** The convex outline of points, by Andrew's monotone chain. */
function hull(points) {
  const sorted = [...points].sort((a, b) => a[0] - b[0] || a[1] - b[1]);
  const turn = (o, a, b) => (a[0] - o[0]) * (b[1] - o[1]) - (a[1] - o[1]) * (b[0] - o[0]);
  const half = (list) => {
    const chain = [];
    for (const point of list) {
      while (chain.length > 1 && turn(chain.at(-2), chain.at(-1), point) <= 0) chain.pop();
      chain.push(point);
    }
    return chain.slice(0, -1);
  };
  return half(sorted).concat(half(sorted.reverse()));
}

/** Writes labels where they stand on no other. */
class LabelWriter {
  constructor(context, width, height) {
    Object.assign(this, { context, width, height, boxes: [], places: [], written: new Set() });
  }

  /** Write the label of a row beside its place; returns 1 if there was room, else 0. */
  write(row, place, distance, { must = false, bold = false, apart = 0, color }) {
    if (!place || this.written.has(row)) return 0;
    if (apart && this.places.some(([x, y]) => Math.hypot(x - place[0], y - place[1]) < apart)) return 0;
    const label = data.labels[row];
    const text = [...label].length > 24 ? `${[...label].slice(0, 23).join("")}…` : label;
    const { context } = this;
    context.font = `${bold ? "600 14px" : "12px"} ${theme.font}`;
    const wide = context.measureText(text).width + 4, high = bold ? 18 : 15;
    let best = null;
    for (const [dx, dy] of DIRECTIONS) {
      const left = place[0] + dx * distance - [wide, wide / 2, 0][dx + 1];
      const top = place[1] + dy * distance - [high, high / 2, 0][dy + 1];
      const box = [
        Math.min(Math.max(left, 1), this.width - wide - 1), Math.min(Math.max(top, 1), this.height - high - 1), wide, high,
      ];
      const hidden = this.boxes.filter((other) => overlap(box, other)).length;
      // A label that the edge has pushed back may lie on its own point.
      const cost = 2 * hidden + (Math.abs(box[0] - left) + Math.abs(box[1] - top) > 2);
      if (!best || cost < best.cost) best = { box, hidden, cost };
      if (!cost) break;
    }
    if (best.hidden && !must) return 0;
    this.boxes.push(best.box);
    this.places.push(place);
    this.written.add(row);
    const [x, y] = best.box;
    context.textAlign = "left";
    context.textBaseline = "middle";
    context.lineJoin = "round";
    context.lineWidth = 3.5;
    context.strokeStyle = theme.paper;
    context.strokeText(text, x + 2, y + high / 2 + 0.5);
    context.fillStyle = color;
    context.fillText(text, x + 2, y + high / 2 + 0.5);
    return 1;
  }
}

function overlap(a, b) {
  return a[0] < b[0] + b[2] && b[0] < a[0] + a[2] && a[1] < b[1] + b[3] && b[1] < a[1] + a[3];
}
