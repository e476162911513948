/** Map with header and footer. */
import { useComputed } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { rowsAt } from "../logic/pick";
import { camera, note } from "../map/camera";
import { comparison } from "../state/compare";
import { PANEL_COLORS, type PanelModel } from "../state/model";
import { PointMap } from "../map/plot";
import { pointing } from "../map/pointing";
import { connect, painters } from "../map/scenery";
import {
  activePanel,
  changePanel,
  choose,
  hasTime,
  hovered,
  lasso,
  mapName,
  nameOf,
  removePanel,
  runs,
  say,
  selectMany,
  specFor,
  view,
} from "../state";
import { IconButton, Select, figure } from "./ui";

/** All canvases, for the exported picture. */
export const canvases = new Map<
  number,
  { points: HTMLCanvasElement; under: HTMLCanvasElement; over: HTMLCanvasElement }
>();

export function Panel({ model }: { model: PanelModel }) {
  const stage = useRef<HTMLDivElement>(null);
  const points = useRef<HTMLCanvasElement>(null);
  const under = useRef<HTMLCanvasElement>(null);
  const over = useRef<HTMLCanvasElement>(null);

  useEffect(() => {
    const labelsOf = (rows: number[]): string[] => {
      const labels = model.rows.peek().value?.labels ?? [];
      return rows.flatMap((row) => labels[row] ?? []);
    };
    const map: PointMap = new PointMap(points.current!, {
      onLasso: (rows) => {
        const labels = labelsOf(rows);
        if (labels.length === 1) choose(labels[0]!);
        else if (labels.length) selectMany(labels);
      },
      onView: (matrix) => {
        camera.value = { matrix: new Float32Array(matrix), by: model.index };
        note();
      },
      onDraw: () => {
        stage.current?.toggleAttribute("data-gliding", map?.gliding ?? false);
        painters.get(map)?.now();
      },
      onRest: (glided) => {
        stage.current?.removeAttribute("data-gliding");
        // Labels are placed again after the transition.
        if (glided) painters.get(map)?.soon();
      },
    });
    canvases.set(model.index, { points: points.current!, under: under.current!, over: over.current! });
    const ends = [connect(model, map, under.current!, over.current!), pointing(model, map, stage.current!)];
    if (camera.peek()) map.setView(camera.peek()!.matrix);
    return () => {
      for (const end of ends) end();
      canvases.delete(model.index);
      map.destroy();
    };
  }, [model]);

  const scene = model.scene.value;
  const { run, map } = model.spec.value;
  const step = scene.value?.step ?? null;
  const words = { letter: model.letter, n: scene.value?.frame.n ?? 0, map: mapName(map), run, step: step ?? "–" };
  return (
    <section
      class={`panel ${activePanel.value === model.index ? "active" : ""}`}
      aria-label={say("panel", { letter: model.letter })}
      data-panel={model.letter}
      data-step={step}
      data-map={scene.value?.map}
      data-alignment={scene.value?.alignment}
      aria-busy={scene.loading}
      onPointerDownCapture={() => (activePanel.value = model.index)}
    >
      <Head model={model} />
      <div class={`stage ${scene.value?.frame.components === 3 && !lasso.value ? "turns" : ""}`} ref={stage}>
        <canvas class="under" ref={under} aria-hidden="true" />
        <canvas class="points" ref={points} role="img" aria-label={say("map.label", words)} />
        <canvas class="over" ref={over} aria-hidden="true" />
        <Veil model={model} />
        <Readout model={model} />
      </div>
      <Foot model={model} />
    </section>
  );
}

function Head({ model }: { model: PanelModel }) {
  const { run, table, map, step } = model.spec.value;
  const found = runs.value ?? [];
  const tables = found.find(({ name }) => name === run)?.tables ?? [];
  const maps = tables.find(({ name }) => name === table)?.projections ?? [];
  const chooseRun = (name: string): void => {
    const next = found.find((r) => r.name === name);
    const spec = next && specFor(next, map);
    if (spec)
      changePanel(model.index, {
        ...spec,
        ...(next.tables.some((t) => t.name === table && t.analyzed.length) ? { table } : {}),
      });
  };
  const { linked, panels } = view.value;
  return (
    <header class="panel-head">
      <span class="letter" style={{ background: PANEL_COLORS[model.index]! }}>
        {model.letter}
      </span>
      {(found.length > 1 || hasTime.value) && (
        <Select
          class="grow"
          value={run}
          label={`${say("run")} (${model.letter})`}
          title={run}
          options={found.map(({ name }) => ({ value: name, label: name }))}
          onChange={chooseRun}
        />
      )}
      {(tables.length > 1 || (panels.length === 1 && hasTime.value)) && (
        <Select
          class="grow"
          value={table}
          label={`${say("table")} (${model.letter})`}
          title={table}
          options={tables.map(({ name }) => ({ value: name, label: name }))}
          onChange={(name) => changePanel(model.index, { table: name })}
        />
      )}
      {maps.length > 0 && (
        <Select
          value={map}
          label={`${say("map")} (${model.letter})`}
          title={parametersOf(model)}
          options={maps.map((name) => ({ value: name, label: mapName(name) }))}
          onChange={(name) => changePanel(model.index, { map: name })}
        />
      )}
      {linked || !hasTime.value ? (
        <span class="at">{model.step.value === null || !hasTime.value ? "" : say("step.n", { step: figure(model.step.value) })}</span>
      ) : (
        <Select
          value={String(step ?? model.steps.value.at(-1) ?? "")}
          label={`${say("step")} (${model.letter})`}
          options={model.steps.value.map((s) => ({ value: String(s), label: figure(s) }))}
          onChange={(s) => changePanel(model.index, { step: Number(s) })}
        />
      )}
      {panels.length > 1 && (
        <IconButton
          icon="close"
          label={say("panel.remove", { letter: model.letter })}
          onClick={() => removePanel(model.index)}
        />
      )}
    </header>
  );
}

/** Parameters of the shown map. */
function parametersOf(model: PanelModel): string {
  const { map } = model.spec.value;
  const info = model.info.value.value;
  const plain = Object.entries(info?.parameters ?? {}).filter(([, value]) => ["number", "string"].includes(typeof value));
  const told = plain.map(([name, value]) => `${nameOf(name)} ${typeof value === "number" ? figure(value) : value}`);
  if (info?.random_state != null) told.push(say("map.seed", { value: info.random_state }));
  return [mapName(map), ...told].join(" · ");
}

/** Message in place of a missing map. */
function Veil({ model }: { model: PanelModel }) {
  const { value, error, loading } = model.scene.value;
  const problem = error ?? model.rows.value.error;
  const { map } = model.spec.value;
  if (problem) {
    return (
      <div class="veil" role="alert">
        <strong>{say("error.title")}</strong>
        <p>{problem.message || say("error.server")}</p>
      </div>
    );
  }
  if (!model.steps.value.length) {
    return (
      <div class="veil">
        <strong>{say("empty.steps")}</strong>
        <p>{say("empty.steps.what")}</p>
      </div>
    );
  }
  if (!value) return <div class="veil">{loading ? say("loading") : say("map.missing", { map: mapName(map) })}</div>;
  return null;
}

/** Tooltip of the word under the pointer. */
function Readout({ model }: { model: PanelModel }) {
  const label = hovered.value;
  const row = label === null ? null : model.row(label);
  const rows = model.rows.value.value;
  if (label === null || row === null || !rows) return null;
  const facts = ["group", "frequency"].flatMap((name) =>
    rows.columns[name]?.[row] ? [`${nameOf(name)} ${rows.columns[name]![row]}`] : [],
  );
  const { color } = view.value;
  const value = color.startsWith("metric:") ? model.numbers(color)?.[row] : undefined;
  if (value !== undefined) facts.push(`${nameOf(color.slice("metric:".length))} ${figure(value)}`);
  const scene = model.scene.value.value;
  const n = scene ? rowsAt(scene.frame, row) : 1;
  if (n > 1) facts.push(say("place.hover", { n: figure(n) }));
  if (model.onlyHere.value?.has(row)) facts.push(say("only-here.hover"));
  return (
    <div class="readout" aria-hidden="true">
      <strong>{label}</strong> {facts.join(" · ")}
    </div>
  );
}

function Foot({ model }: { model: PanelModel }) {
  const info = model.info.value.value;
  const scene = model.scene.value.value;
  const look = model.look.value;
  const stage = comparison.stage.value;
  const aligned = useComputed(() => {
    const { partner } = comparison;
    return (
      partner.value !== null &&
      (model.index === partner.value.index || (model.index === 0 && scene?.alignment === "joint"))
    );
  });
  const note = (): string | null => {
    if (scene?.alignment === "joint" && stage.state === "ready") return say("align.joint", { n: figure(stage.shared) });
    if (scene?.alignment === "procrustes") {
      const on =
        stage.state === "working" && aligned.value
          ? ` · ${say("align.working", { percent: Math.round(100 * stage.done) })}`
          : "";
      return say("align.procrustes") + on;
    }
    return stage.state === "failed" && aligned.value ? say("align.failed", { error: stage.error }) : null;
  };
  const told = note();
  const shown = look && scene && say("shown", { n: figure(look.count), all: figure(scene.frame.n) });
  return (
    <footer class="panel-foot">
      {told && (
        <span class="aligned" title={scene?.alignment === "joint" ? say("align.joint.hint") : undefined}>
          {told}
        </span>
      )}
      {info?.trustworthiness != null && scene?.alignment === "own" && (
        <span title={say("trust.hint")}>{say("trust", { value: info.trustworthiness.toFixed(2) })}</span>
      )}
      {scene?.alignment !== "joint" && (hasTime.value || info?.noise_floor != null) &&
        (info?.redrawn ? (
          <span class="noise" title={say("noise.redrawn.hint")}>
            {say("noise.redrawn")}
          </span>
        ) : (
          <span class="noise" title={info?.noise_floor == null ? say("noise.unknown") : say("noise.hint")}>
            <span class="ring" aria-hidden="true" /> {say("noise")}{" "}
            {info?.noise_floor == null ? "–" : `${figure(info.noise_floor)}σ`}
          </span>
        ))}
      <OnlyHere model={model} />
      {scene?.frame.components === 3 && <span>{say("turn.hint")}</span>}
      {shown && (
        <span class="count" title={shown}>
          {shown}
        </span>
      )}
    </footer>
  );
}

/** Number of clusters that only this method shows; a click selects their rows. */
function OnlyHere({ model }: { model: PanelModel }) {
  const clusters = model.info.value.value?.only_here;
  const labels = model.rows.value.value?.labels;
  if (!clusters?.length || !labels) return null;
  const show = (): void => selectMany(clusters.flat().flatMap((row) => labels[row] ?? []));
  return (
    <button type="button" class="only-here" title={say("only-here.hint")} onClick={show}>
      {say(clusters.length === 1 ? "only-here.one" : "only-here", { n: clusters.length })}
    </button>
  );
}
