/** Small charts of metrics and of the training's own scalars, one line per run. */
import { effect } from "@preact/signals";
import { useEffect, useMemo, useRef } from "preact/hooks";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { source } from "../source";
import { PANEL_COLORS, type PanelModel } from "../state/model";
import { resource } from "../state/resource";
import { active, alerts, change, dark, freshness, goTo, nameOf, panels, say, stepNow, tableOf, timeline, view } from "../state";
import { gapsOf, joined, pointAt, pointUpTo } from "../logic/curves";
import { nearestStep, unionOfSteps } from "../logic/steps";
import type { Curve } from "../source/types";
import { Menu, figure } from "./ui";

interface Line {
  run: string;
  table: string;
  color: string;
  curve: Curve;
}
/** Lines of a curve, one per run. */
interface Chart {
  key: string;
  lines: Line[];
}

const LOGGED = "log:";
const SHOWN = 4;

/** All curves of the shown runs, by key; keys of scalars of other writers begin with "log:". */
const curves = resource(() => {
  const seen = new Map<string, { run: string; table: string; color: string }>();
  panels.value.forEach((panel) => {
    const { run, table } = panel.spec.value;
    const key = `${run}\n${table}`;
    if (tableOf(run, table) && !seen.has(key)) seen.set(key, { run, table, color: PANEL_COLORS[panel.index]! });
  });
  if (!seen.size) return null;
  const sources = [...seen.values()];
  return {
    key: `${JSON.stringify(sources)}${freshness.value}`,
    load: async () => {
      const found = new Map<string, Chart>();
      const answers = await Promise.all(
        sources.map(({ run, table }) => Promise.all([source.scalars(run, table), source.curves(run).catch(() => ({}))])),
      );
      answers.forEach(([scalars, logged], i) => {
        const named = [
          ...Object.entries(logged).map(([tag, curve]): [string, Curve] => [LOGGED + tag, curve]),
          ...Object.entries(scalars),
        ];
        for (const [key, curve] of named) {
          const chart = found.get(key) ?? { key, lines: [] };
          chart.lines.push({ ...sources[i]!, curve });
          found.set(key, chart);
        }
      });
      return found;
    },
  };
});

const titleOf = (key: string): string => (key.startsWith(LOGGED) ? key.slice(LOGGED.length) : nameOf(key));

/** Default curves: the loss, the space, and the quality of the map. */
function usual(found: Map<string, Chart>): string[] {
  const map = panels.value[0]?.spec.value.map ?? "tsne";
  const losses = [...found.keys()].filter((key) => /^log:.*loss$/i.test(key)).slice(0, 1);
  const wanted = [
    ...losses,
    "group_purity",
    "neighbor_overlap",
    `${map}/trustworthiness`,
    "effective_rank",
    "norm_mean",
  ];
  return wanted.filter((key) => found.has(key)).slice(0, 3);
}

export function Curves() {
  const found = curves.value.value;
  if (!found?.size) return <div class="curves none">{curves.value.loading ? say("loading") : say("curves.none")}</div>;
  const chosen = (view.value.curves ?? usual(found)).filter((key) => found.has(key)).slice(0, SHOWN);
  const flip = (key: string): void =>
    change({ curves: chosen.includes(key) ? chosen.filter((k) => k !== key) : [...chosen, key].slice(-SHOWN) });
  const keys = [...found.keys()].sort(
    (a, b) =>
      Number(b.startsWith(LOGGED)) - Number(a.startsWith(LOGGED)) ||
      a.split("/").length - b.split("/").length ||
      (a < b ? -1 : 1),
  );
  return (
    <div class="curves" role="group" aria-label={say("curves")}>
      {chosen.map((key) => (
        <Plot key={key} chart={found.get(key)!} />
      ))}
      <Menu button="⋯" label={say("curves.choose")} class="choose-curves">
        {() =>
          keys.map((key) => (
            <label class="toggle" key={key}>
              <input
                type="checkbox"
                checked={chosen.includes(key)}
                disabled={!chosen.includes(key) && chosen.length >= SHOWN}
                onChange={() => flip(key)}
              />
              <span>
                {titleOf(key)} {key.startsWith(LOGGED) && <small>{say("curves.logged")}</small>}
              </span>
            </label>
          ))
        }
      </Menu>
    </div>
  );
}

const HEIGHT = 78;

function Plot({ chart }: { chart: Chart }) {
  const host = useRef<HTMLDivElement>(null);
  const data = useMemo(() => joined(chart.lines.map(({ curve }) => curve)) as uPlot.AlignedData, [chart]);
  const gaps = useMemo(() => chart.lines.map(({ curve }) => gapsOf(curve)), [chart]);
  useEffect(() => {
    const root = host.current!;
    const isDark = dark.value;
    const [ink, grid, mark] = isDark ? ["#a0a0a8", "#2c2c30", "#9aa0ff"] : ["#6b6b70", "#eeeeee", "#2932e1"];
    const axis: uPlot.Axis = {
      stroke: ink,
      grid: { stroke: grid, width: 1 },
      ticks: { show: false },
      font: "10px sans-serif",
      gap: 2,
    };
    const colorOf = (color: string): string => (isDark && color === PANEL_COLORS[0] ? "#8f96ff" : color);
    const flags = (plot: uPlot): void => {
      const { ctx, bbox } = plot;
      ctx.save();
      const line = (step: number, color: string, width: number): void => {
        const x = plot.valToPos(step, "x", true);
        if (x < bbox.left || x > bbox.left + bbox.width) return;
        ctx.strokeStyle = color;
        ctx.lineWidth = width * devicePixelRatio;
        ctx.beginPath();
        ctx.moveTo(x, bbox.top);
        ctx.lineTo(x, bbox.top + bbox.height);
        ctx.stroke();
      };
      for (const { step } of alerts.peek().value ?? []) line(step, isDark ? "#ff7a5c" : "#d6320d", 1);
      // A cross below the line's gap, in the color of its run.
      gaps.forEach((steps, i) => {
        const [arm, y] = [2.5 * devicePixelRatio, bbox.top + bbox.height - 4 * devicePixelRatio];
        ctx.strokeStyle = colorOf(chart.lines[i]!.color);
        ctx.lineWidth = 1.5 * devicePixelRatio;
        ctx.beginPath();
        for (const step of steps) {
          const x = plot.valToPos(step, "x", true);
          ctx.moveTo(x - arm, y - arm);
          ctx.lineTo(x + arm, y + arm);
          ctx.moveTo(x - arm, y + arm);
          ctx.lineTo(x + arm, y - arm);
        }
        ctx.stroke();
      });
      const now = stepNow.peek();
      if (now !== null) line(now, mark, 1.5);
      ctx.restore();
    };
    const plot = new uPlot(
      {
        width: root.clientWidth || 200,
        height: HEIGHT,
        padding: [6, 8, 0, 0],
        legend: { show: false },
        // uPlot suppresses clicks after a drag, and treats clicks at the edge as drags; these charts have no drags.
        cursor: { y: false, points: { size: 5 }, drag: { x: false, y: false, click: () => {} } },
        scales: { x: { time: false } },
        axes: [
          { ...axis, size: 16, space: 50 },
          { ...axis, size: 38, space: 22, values: (_, ticks) => ticks.map((tick) => figure(tick)) },
        ],
        series: [
          {},
          ...chart.lines.map(({ color }) => ({
            stroke: colorOf(color),
            width: 1.5,
            points: { show: false },
          })),
        ],
        hooks: { draw: [flags] },
      },
      data,
      root,
    );
    const click = ({ clientX }: MouseEvent): void => {
      const at = clientX - plot.over.getBoundingClientRect().left;
      goTo(nearestStep(timeline.peek(), plot.posToVal(at, "x")));
    };
    plot.over.addEventListener("click", click);
    const watch = new ResizeObserver(() => plot.setSize({ width: root.clientWidth, height: HEIGHT }));
    watch.observe(root);
    const marks = effect(() => {
      void [stepNow.value, alerts.value];
      plot.redraw(false, false);
    });
    return () => {
      marks();
      watch.disconnect();
      plot.destroy();
    };
  }, [chart, data, gaps, dark.value]);
  const broken = unionOfSteps(gaps);
  const named = `${broken.slice(0, 3).map(figure).join(", ")}${broken.length > 3 ? ", …" : ""}`;
  return (
    <figure class="plot" data-curve={chart.key}>
      <figcaption title={titleOf(chart.key)}>
        <span class="grow">{titleOf(chart.key)}</span>
        {broken.length > 0 && (
          <small title={say("curves.gap", { steps: named })} aria-label={say("curves.gap", { steps: named })} role="img">
            × {broken.length}
          </small>
        )}
        {chart.lines.map((line) => (
          <Reading key={line.color} chart={chart} line={line} />
        ))}
      </figcaption>
      <div ref={host} aria-hidden="true" />
    </figure>
  );
}

/** Value of a line at the step that its panel shows. The training's own scalars are logged at other steps. */
function Reading({ chart, line: { run, table, color, curve } }: { chart: Chart; line: Line }) {
  const shows = ({ spec }: PanelModel): boolean => spec.value.run === run && spec.value.table === table;
  const panel = active.value && shows(active.value) ? active.value : panels.value.find(shows);
  const step = panel?.step.value ?? null;
  const point = (chart.key.startsWith(LOGGED) ? pointUpTo : pointAt)(curve, step);
  const style = chart.lines.length > 1 ? { "--mark": color } : undefined;
  if (point) {
    return (
      <span class="number" style={style} title={say("step.n", { step: figure(point.step) })}>
        {point.step !== step && <small>{say("step.n", { step: figure(point.step) })}</small>} {figure(point.value)}
      </span>
    );
  }
  const reason = say("curves.absent", { step: figure(step) });
  return (
    <span class="number" style={style} title={reason}>
      {chart.lines.length > 1 ? "–" : <small>{reason}</small>}
    </span>
  );
}
