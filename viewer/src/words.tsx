/** The word in focus: its neighbors in every panel, what came and went, and how alike pinned words are. */
import { signal } from "@preact/signals";
import { useEffect, useMemo } from "preact/hooks";
import { api } from "./api";
import { PANEL_COLORS, type PanelModel } from "./model";
import { changes, layBeside } from "./neighborhoods";
import { resource } from "./resource";
import { Word } from "./search";
import { active, change, choose, focus, freshness, hovered, nameOf, panels, pins, say, togglePin, view } from "./state";
import type { NeighborTrack } from "./types";
import { IconButton, Section, Select, figure } from "./ui";

const COUNTS = [5, 10, 15, 30, 50];

export function WordCard() {
  const label = focus.value;
  const model = active.value;
  if (label === null || !model) {
    return (
      <Section title={say("word")}>
        <p class="quiet">{say("word.none")}</p>
      </Section>
    );
  }
  const home = model.row(label) !== null ? model : (panels.value.find((panel) => panel.row(label) !== null) ?? model);
  const row = home.row(label);
  const rows = home.rows.value.value;
  const pinned = pins.value.includes(label);
  const pieces = row === null ? undefined : rows?.pieces[String(row)];
  return (
    <section class="section card">
      <h2 class="focus-word" data-focus={label}>
        <span class="grow">{label}</span>
        <IconButton
          icon="pin"
          class="pin"
          pressed={pinned}
          label={say(pinned ? "unpin" : "pin", { label })}
          onClick={() => togglePin(label)}
        />
        <IconButton icon="close" label={say("selected.clear")} onClick={() => choose(null)} />
      </h2>
      {row !== null && rows && (
        <dl class="facts">
          {rows.ids[row]! >= 0 && <Fact name="id" value={figure(rows.ids[row]!)} />}
          {Object.entries(rows.columns).map(
            ([name, values]) => values[row] && <Fact key={name} name={nameOf(name)} value={values[row]!} />,
          )}
          <Metrics model={home} row={row} />
        </dl>
      )}
      {pieces && <p class="quiet">{say("pieces", { pieces })}</p>}
    </section>
  );
}

const Fact = ({ name, value }: { name: string; value: string }) => (
  <div>
    <dt>{name}</dt>
    <dd>{value}</dd>
  </div>
);

/** Numbers of the word at this step, by the map that is shown. */
function Metrics({ model, row }: { model: PanelModel; row: number }) {
  const found = useMemo(
    () =>
      resource(() => {
        const { run, table, map } = model.spec.value;
        const step = model.step.value;
        if (step === null) return null;
        const at = { run, table, step };
        const load = async (): Promise<[string, number | null][]> =>
          Object.entries((await api.row(at, row)).metrics)
            .filter(([name]) => !name.includes("/") || name.startsWith(`${map}/`))
            // Whether the row is unchanged is worth a place where it is.
            .filter(([name, value]) => name !== "unchanged" || value === 1)
            .slice(0, 8);
        return { key: `${run}\n${table}\n${map}\n${step}\n${row}`, load };
      }),
    [model, row],
  );
  useEffect(() => () => found.dispose(), [found]);
  return (
    <>
      {found.value.value?.map(([name, value]) => (
        <Fact key={name} name={nameOf(name.slice(name.lastIndexOf("/") + 1))} value={figure(value)} />
      ))}
    </>
  );
}

export function Neighbors() {
  const { k, distance, baseline } = view.value;
  const shown = panels.value.filter((panel) => focus.value !== null && panel.row(focus.value) !== null);
  if (!shown.length) return null;
  return (
    <Section title={say("neighbors")} note={<span title={say("neighbors.hint")}>{say("neighbors.hint")}</span>}>
      <div class="choices">
        <Select
          value={String(k)}
          label={say("neighbors.count")}
          options={COUNTS.map((n) => ({ value: String(n), label: String(n) }))}
          onChange={(n) => change({ k: Number(n) })}
        />
        <Select
          value={distance}
          label={say("distance")}
          options={(["cosine", "euclidean"] as const).map((value) => ({ value, label: say(value) }))}
          onChange={(value) => change({ distance: value as "cosine" | "euclidean" })}
        />
        <Select
          class="grow"
          value={baseline}
          label={say("baseline")}
          options={(["previous", "first"] as const).map((value) => ({ value, label: say(`baseline.${value}`) }))}
          onChange={(value) => change({ baseline: value as "previous" | "first" })}
        />
      </div>
      {panels.value.length === 1 ? <OneList model={shown[0]!} /> : <SideBySide models={panels.value} />}
    </Section>
  );
}

/** Neighbors in one panel, those that it gained marked and those that it lost below. */
function OneList({ model }: { model: PanelModel }) {
  const now = model.near.value.value;
  const before = model.before.value.value;
  if (!now || now.label !== focus.value) return <p class="quiet">{say("loading")}</p>;
  const compared = before?.label === now.label;
  const found = changes(now.neighbors, compared ? before.neighbors : now.neighbors);
  return (
    <ul class="words neighbors" aria-label={say("neighbors")}>
      {found.map(({ label, state, now, before }) => (
        <Word key={label} label={label}>
          <span class={`state ${state}`}>
            {state === "kept"
              ? compared && now?.rank !== before?.rank
                ? say("rank.was", { rank: before!.rank })
                : ""
              : say(state)}
          </span>
          <Bar cosine={(now ?? before)!.cosine} faint={state === "lost"} />
        </Word>
      ))}
    </ul>
  );
}

const Bar = ({ cosine, faint = false }: { cosine: number; faint?: boolean }) => (
  <span class={`cosine ${faint ? "faint" : ""}`} title={`${say("cosine")} ${cosine.toFixed(3)}`}>
    <span class="bar" style={{ width: `${Math.max(0, cosine) * 100}%` }} />
    <span class="number">{cosine.toFixed(2)}</span>
  </span>
);

/** Neighbors of the same word in several panels: the union, with the rank in each. */
function SideBySide({ models }: { models: PanelModel[] }) {
  const lists = models.map((model) => {
    const now = model.near.value.value;
    return now && now.label === focus.value && model.row(now.label) !== null ? now.neighbors : [];
  });
  const before = models.map((model) => {
    const then = model.before.value.value;
    return then?.label === focus.value ? new Set(then.neighbors.map(({ label }) => label)) : null;
  });
  return (
    <table class="beside">
      <thead>
        <tr>
          <th scope="col">{say("word")}</th>
          {models.map((model) => (
            <th key={model.index} scope="col" title={`${model.spec.value.run} · ${model.spec.value.table}`}>
              <span class="letter" style={{ background: PANEL_COLORS[model.index]! }}>
                {model.letter}
              </span>
              <small>{model.step.value === null ? "" : figure(model.step.value)}</small>
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {layBeside(lists).map(({ label, places }) => (
          <tr
            key={label}
            class={places.every(Boolean) ? "all" : ""}
            onPointerEnter={() => (hovered.value = label)}
            onPointerLeave={() => (hovered.value = null)}
          >
            <th scope="row">
              <button type="button" class="word-name" onClick={() => choose(label)}>
                {label}
              </button>
            </th>
            {places.map((placed, i) => (
              <td key={i} title={placed ? `${say("cosine")} ${placed.cosine.toFixed(3)}` : undefined}>
                {placed ? placed.rank : "–"}
                {placed && before[i] && !before[i].has(label) && <span class="state gained">{say("gained")}</span>}
              </td>
            ))}
          </tr>
        ))}
      </tbody>
    </table>
  );
}

/** A bar for every step, the taller the nearer. */
function Strip({ track, steps, now, k }: { track: NeighborTrack; steps: number[]; now: number | null; k: number }) {
  const n = track.ranks.filter((rank) => rank !== null).length;
  const width = Math.max(1, Math.min(9, 108 / steps.length));
  return (
    <svg
      class="strip"
      width={width * steps.length}
      height="18"
      role="img"
      aria-label={say("track.label", { label: track.label, k, n, all: steps.length })}
    >
      {steps.map((step, i) => {
        const rank = track.ranks[i] ?? null;
        const height = rank === null ? 0 : 3 + 15 * (1 - (rank - 1) / Math.max(1, k));
        return (
          <rect
            key={step}
            class={step === now ? "now" : ""}
            x={i * width}
            y={rank === null ? 17 : 18 - height}
            width={Math.max(0.8, width - 1)}
            height={rank === null ? 1 : height}
          >
            <title>{`${step}: ${rank === null ? "–" : `${say("rank")} ${rank}`}${track.cosines[i] == null ? "" : ` · ${track.cosines[i]!.toFixed(2)}`}`}</title>
          </rect>
        );
      })}
    </svg>
  );
}

const open = signal(true);

export function OverSteps() {
  const model = active.value;
  const found = useMemo(
    () =>
      resource(() => {
        const panel = active.value;
        const label = focus.value;
        const row = panel && label !== null ? panel.row(label) : null;
        if (!panel || row === null || !open.value) return null;
        const { run, table } = panel.spec.value;
        const { k } = view.value;
        const steps = panel.steps.value;
        return { key: `${run}\n${table}\n${row}\n${k}\n${steps.length}`, load: () => api.timeline(run, table, row, k) };
      }),
    [],
  );
  const told = found.value.value;
  if (!model || focus.value === null || model.row(focus.value) === null || !told) return null;
  return (
    <Section title={say("over-steps")} note={say("over-steps.hint", { k: view.value.k })}>
      <ul class="tracks">
        {told.neighbors.slice(0, 20).map((track) => (
          <li
            key={track.label}
            onPointerEnter={() => (hovered.value = track.label)}
            onPointerLeave={() => (hovered.value = null)}
          >
            <button type="button" class="word-name" onClick={() => choose(track.label)}>
              {track.label}
            </button>
            <Strip track={track} steps={told.steps} now={model.step.value} k={view.value.k} />
          </li>
        ))}
      </ul>
    </Section>
  );
}

/** How alike pinned words are, over all steps of the active panel. */
export function Similarities() {
  const model = active.value;
  const found = useMemo(
    () =>
      resource(() => {
        const panel = active.value;
        if (!panel) return null;
        const rows = pins.value.flatMap((label) => panel.row(label) ?? []).slice(0, 8);
        const { run, table } = panel.spec.value;
        if (rows.length < 2) return null;
        return { key: `${run}\n${table}\n${rows}\n${freshness.value}`, load: () => api.similarities(run, table, rows) };
      }),
    [],
  );
  const told = found.value.value;
  const labels = model?.rows.value.value?.labels;
  if (!model || pins.value.length < 2 || !told || !labels) return null;
  const at = told.steps.indexOf(model.step.value ?? NaN);
  return (
    <Section title={say("similarities")} note={say("cosine")}>
      <table class="pairs">
        <tbody>
          {told.pairs.map(({ a, b, cosines }) => (
            <tr key={`${a} ${b}`}>
              <th scope="row">
                {labels[a]} · {labels[b]}
              </th>
              <td>
                <Line values={cosines} at={at} />
              </td>
              <td class="number">{cosines[at]?.toFixed(2) ?? "–"}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </Section>
  );
}

/** Cosines over the steps; the thin line is 0. */
function Line({ values, at }: { values: (number | null)[]; at: number }) {
  const [width, height] = [84, 22];
  const x = (i: number): number => 2 + (i / Math.max(1, values.length - 1)) * (width - 4);
  const y = (value: number): number => height / 2 - value * (height / 2 - 2);
  const points = values.flatMap((value, i) => (value === null ? [] : [`${x(i).toFixed(1)},${y(value).toFixed(1)}`]));
  const now = values[at];
  return (
    <svg class="line" width={width} height={height} aria-hidden="true">
      <line x1="0" x2={width} y1={height / 2} y2={height / 2} />
      <polyline points={points.join(" ")} />
      {now !== null && now !== undefined && <circle cx={x(at)} cy={y(now)} r="2.5" />}
    </svg>
  );
}
