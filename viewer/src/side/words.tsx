/** Details of the word in focus. */
import { useEffect, useMemo } from "preact/hooks";
import { IconButton, Section, figure } from "../parts/ui";
import { source } from "../source";
import { active, choose, focus, mapName, nameOf, panels, pins, say, togglePin } from "../state";
import type { PanelModel } from "../state/model";
import { resource } from "../state/resource";

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
      {row !== null && home.info.value.value?.redrawn && <p class="quiet">{noMotion(home)}</p>}
      <Doubts label={label} />
      {pieces && <p class="quiet">{say("pieces", { pieces })}</p>}
    </section>
  );
}

/** Reason for which a map has no motion at this step. */
export const noMotion = (model: PanelModel): string =>
  say("motion.none", { map: mapName(model.spec.value.map), step: figure(model.step.value) });

/** Maps with the word in a cluster that no other method shows. */
function Doubts({ label }: { label: string }) {
  const doubtful = panels.value.filter((panel) => panel.onlyHere.value?.has(panel.row(label) ?? -1));
  const maps = new Set(doubtful.map((panel) => panel.spec.value.map));
  return (
    <>
      {[...maps].map((map) => (
        <p class="quiet" key={map}>
          {say("only-here.word", { map: mapName(map) })}
        </p>
      ))}
    </>
  );
}

const Fact = ({ name, value }: { name: string; value: string }) => (
  <div>
    <dt>{name}</dt>
    <dd>{value}</dd>
  </div>
);

/** Metrics of the word at this step, of the shown map. */
function Metrics({ model, row }: { model: PanelModel; row: number }) {
  const found = useMemo(
    () =>
      resource(() => {
        const { run, table, map } = model.spec.value;
        const step = model.step.value;
        if (step === null) return null;
        const at = { run, table, step };
        const load = async (): Promise<[string, number | null][]> =>
          Object.entries(await source.row(at, row))
            .filter(([name]) => !name.includes("/") || name.startsWith(`${map}/`))
            // Only unchanged rows show this metric.
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
