/** Neighbors of the word in focus in every panel, and their changes. */
import { changes, layBeside } from "../logic/neighborhoods";
import { Section, Select, figure } from "../parts/ui";
import { source } from "../source";
import { change, choose, focus, hasTime, hovered, panels, say, view } from "../state";
import { PANEL_COLORS, type PanelModel } from "../state/model";
import { Word } from "./search";

const COUNTS = [5, 10, 15, 30, 50];

export function Neighbors() {
  const { k, distance, baseline } = view.value;
  const shown = panels.value.filter((panel) => focus.value !== null && panel.row(focus.value) !== null);
  if (!shown.length) return null;
  const { distances, maxNeighbors } = source.abilities;
  const snapshots = [...new Map(shown.map((panel) => [JSON.stringify(panel.at.value), panel])).values()];
  return (
    <Section title={say("neighbors")} note={<span title={say("neighbors.hint")}>{say("neighbors.hint")}</span>}>
      <div class="choices">
        <Select
          value={String(k)}
          label={say("neighbors.count")}
          options={COUNTS.filter((n) => n <= maxNeighbors).map((n) => ({ value: String(n), label: String(n) }))}
          onChange={(n) => change({ k: Number(n) })}
        />
        {distances?.length !== 1 && (
          <Select
            value={distance}
            label={say("distance")}
            options={(["cosine", "euclidean"] as const).map((value) => ({ value, label: say(value) }))}
            onChange={(value) => change({ distance: value as "cosine" | "euclidean" })}
          />
        )}
        {hasTime.value && (
          <Select
            class="grow"
            value={baseline}
            label={say("baseline")}
            options={(["previous", "first"] as const).map((value) => ({ value, label: say(`baseline.${value}`) }))}
            onChange={(value) => change({ baseline: value as "previous" | "first" })}
          />
        )}
      </div>
      {snapshots.length === 1 ? <OneList model={shown[0]!} /> : <SideBySide models={snapshots} />}
    </Section>
  );
}

/** Neighbors in one panel, with gained ones marked and lost ones below. */
function OneList({ model }: { model: PanelModel }) {
  const now = model.near.value.value;
  const before = model.before.value.value;
  if (!now || now.label !== focus.value) return <p class="quiet">{say("loading")}</p>;
  const compared = before?.label === now.label;
  const found = changes(now.neighbors, compared ? before.neighbors : now.neighbors);
  if (!now.neighbors.length) return <p class="quiet">{say(`neighbors.${now.why ?? "none"}`)}</p>;
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

/** Union of the neighbors of a word in several panels, with the rank in each. */
function SideBySide({ models }: { models: PanelModel[] }) {
  const found = models.map((model) => {
    const now = model.near.value.value;
    return now && now.label === focus.value && model.row(now.label) !== null ? now : null;
  });
  const lists = found.map((now) => now?.neighbors ?? []);
  const before = models.map((model) => {
    const then = model.before.value.value;
    return then?.label === focus.value ? new Set(then.neighbors.map(({ label }) => label)) : null;
  });
  return (
    <>
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
      {found.map(
        (now, i) =>
          now?.neighbors.length === 0 && (
            <p class="quiet" key={i}>
              {models[i]!.letter} · {say(`neighbors.${now.why ?? "none"}`)}
            </p>
          ),
      )}
    </>
  );
}
