/** Word in focus and pinned words at all steps of a run. */
import { signal } from "@preact/signals";
import { useMemo } from "preact/hooks";
import { Section } from "../parts/ui";
import { source } from "../source";
import type { NeighborTrack } from "../source/types";
import { active, choose, focus, freshness, hovered, pins, say, view } from "../state";
import { resource } from "../state/resource";

/** Bar for every step; taller bars mean nearer neighbors. */
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
        return { key: `${run}\n${table}\n${row}\n${k}\n${steps.length}`, load: () => source.timeline(run, table, row, k) };
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

/** Cosines between pinned words at all steps of the active panel. */
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
        return { key: `${run}\n${table}\n${rows}\n${freshness.value}`, load: () => source.similarities(run, table, rows) };
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

/** Cosines by step; the thin line is 0. */
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
