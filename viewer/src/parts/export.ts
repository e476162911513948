/** Exports: a picture, the shown or selected words, coordinates for other projectors. */
import { type Cell, toCsv, toTsv } from "../logic/csv";
import { type PanelModel, LETTERS } from "../state/model";
import { FONT_FAMILY } from "../map/overlay";
import { canvases } from "./panel";
import { active, dark, mapName, panels, view } from "../state";

function save(content: Blob, name: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(content);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

const text = (content: string, type: string): Blob => new Blob([content], { type: `${type};charset=utf-8` });

/** File name that is valid on every system: "demo-word-tsne-300.csv". */
function fileName(model: PanelModel, what: string): string {
  const { run, table, map } = model.spec.peek();
  const parts = [run, table, map, String(model.step.peek() ?? "")];
  return `${parts.map((part) => part.replace(/[^\p{L}\p{N}._-]+/gu, "-")).join("-")}${what}`;
}

const CAPTION = 28;

export async function exportPng(): Promise<void> {
  const tiles = [...canvases].map(([index, layers]) => ({ index, layers, box: layers.points.getBoundingClientRect() }));
  if (!tiles.length) return;
  const left = Math.min(...tiles.map(({ box }) => box.left));
  const top = Math.min(...tiles.map(({ box }) => box.top)) - CAPTION;
  const width = Math.max(...tiles.map(({ box }) => box.right)) - left;
  const height = Math.max(...tiles.map(({ box }) => box.bottom)) - top;
  const canvas = document.createElement("canvas");
  Object.assign(canvas, { width: Math.round(width * devicePixelRatio), height: Math.round(height * devicePixelRatio) });
  const pen = canvas.getContext("2d");
  if (!pen) return;
  pen.scale(devicePixelRatio, devicePixelRatio);
  pen.fillStyle = dark.peek() ? "#1d1d1f" : "#ffffff";
  pen.fillRect(0, 0, width, height);
  for (const { index, layers, box } of tiles) {
    const [x, y] = [box.left - left, box.top - top];
    for (const layer of [layers.under, layers.points, layers.over]) pen.drawImage(layer, x, y, box.width, box.height);
    const model = panels.peek()[index];
    if (!model) continue;
    const { run, table, map } = model.spec.peek();
    pen.fillStyle = dark.peek() ? "#cfcfd1" : "#333333";
    pen.font = `13px ${FONT_FAMILY}`;
    pen.fillText(
      [LETTERS[index], run, table, mapName(map), String(model.step.peek() ?? "")].join("  ·  "),
      x + 8,
      y - 9,
      box.width - 16,
    );
  }
  const blob = await new Promise<Blob | null>((resolve) => canvas.toBlob(resolve, "image/png"));
  if (blob) save(blob, fileName(panels.peek()[0]!, ".png"));
}

/** Words of the active panel with all their columns and metrics at this step. */
export function exportCsv(which: "selected" | "shown"): void {
  const model = active.peek();
  const rows = model?.rows.peek().value;
  const scene = model?.scene.peek().value;
  if (!model || !rows || !scene) return;
  const shown = model.look.peek()?.shown;
  const chosen =
    which === "selected"
      ? view.peek().selected.flatMap((label) => model.row(label) ?? [])
      : rows.labels.flatMap((_, row) => (shown?.[row] ? [row] : []));
  const columns = Object.entries(rows.columns);
  const clusters = panels.peek()[0]?.clusters.peek().value;
  if (clusters) {
    const name = rows.columns.cluster ? `cluster at step ${clusters.step}` : "cluster";
    columns.push([name, rows.labels.map((label) => clusters.names.get(label) ?? "")]);
  }
  const metrics = [...scene.metrics];
  const axes = ["x", "y", "z"].slice(0, scene.frame.components);
  const names = columns.map(([name]) => name);
  const header = ["label", "id", ...names, ...axes, ...metrics.map(([key]) => key.slice("metric:".length))];
  const lines = chosen.map((row): Cell[] => [
    rows.labels[row],
    rows.ids[row],
    ...columns.map(([, values]) => values[row]),
    ...axes.map((_, axis) => scene.frame.values[row * scene.frame.components + axis]),
    ...metrics.map(([, values]) => values[row]),
  ]);
  save(text(toCsv(header, lines), "text/csv"), fileName(model, which === "selected" ? "-selected.csv" : ".csv"));
}

/** Frame for other projectors: one line per point, no header. Both files leave out rows without a place. */
export function exportTsv(what: "coordinates" | "metadata"): void {
  const model = active.peek();
  const rows = model?.rows.peek().value;
  const scene = model?.scene.peek().value;
  if (!model || !rows || !scene) return;
  const { values, n, components } = scene.frame;
  const known = Array.from({ length: n }, (_, row) => row).filter((row) => Number.isFinite(values[row * components]!));
  const columns = Object.keys(rows.columns);
  const content =
    what === "coordinates"
      ? toTsv(
          null,
          known.map((row) => [...values.subarray(row * components, (row + 1) * components)]),
        )
      : toTsv(
          ["label", "id", ...columns],
          known.map((row): Cell[] => [
            rows.labels[row],
            rows.ids[row],
            ...columns.map((name) => rows.columns[name]![row]),
          ]),
        );
  save(text(content, "text/tab-separated-values"), fileName(model, `-${what}.tsv`));
}
