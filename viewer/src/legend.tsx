/** What the maps show: the method, the colors and what they mean, filters. */
import { type Scale, rampColors, scaleFor, shareOf, valueAt } from "./colors";
import { clusterKey, clusterStep } from "./clusters";
import { HIDDEN_OTHERS, HIDDEN_UNKNOWN } from "./look";
import { LETTERS, type PanelModel } from "./model";
import { isMetric, metricKey } from "./scene";
import { active, change, changePanel, mapName, nameOf, panels, say, stepNow, tableOf, view } from "./state";
import { stepAt } from "./steps";
import { type Option, Section, Segments, Select, Toggle, figure } from "./ui";

export function Maps() {
  const specs = view.value.panels;
  const here = active.value?.spec.value;
  if (!here) return null;
  const known = [...new Set(specs.flatMap(({ run, table }) => tableOf(run, table)?.projections ?? []))];
  const methods = [...new Set(known.map((map) => map.replace(/_3d$/, "")))];
  const method = here.map.replace(/_3d$/, "");
  const set = (map: string): void => {
    // Panels with the same map stay together; where they differ on purpose, only the active one changes.
    const together = specs.every((spec) => spec.map === here.map);
    specs.forEach(({ run, table }, i) => {
      if ((together || i === active.value?.index) && tableOf(run, table)?.projections.includes(map))
        changePanel(i, { map });
    });
  };
  const in3d = here.map.endsWith("_3d");
  const pick = (wanted: string, deep: boolean): string =>
    deep && known.includes(`${wanted}_3d`) ? `${wanted}_3d` : known.includes(wanted) ? wanted : `${wanted}_3d`;
  return (
    <Section title={say("map")}>
      <div class="map-choices">
        <Segments
          value={method}
          label={say("map")}
          options={methods.map((value) => ({ value, label: mapName(value) }))}
          onChange={(wanted) => set(pick(wanted, in3d))}
        />
        {known.some((map) => map.endsWith("_3d")) && (
          <Segments
            value={in3d ? "3" : "2"}
            label={say("dimensions")}
            options={[
              { value: "2", label: "2D", disabled: !known.includes(method) },
              { value: "3", label: "3D", disabled: !known.includes(`${method}_3d`) },
            ]}
            onChange={(wanted) => set(wanted === "3" ? `${method}_3d` : method)}
          />
        )}
      </div>
    </Section>
  );
}

/** Columns and metrics that can give color: columns of all panels, then metrics of the active one. */
function choices(model: PanelModel): Option[] {
  const columns = [...new Set(panels.value.flatMap((panel) => Object.keys(panel.rows.value.value?.columns ?? {})))];
  const metrics = [...new Set((model.metricNames.value.value ?? []).map(metricKey))];
  const { color } = view.value;
  if (isMetric(color) && !metrics.includes(color)) metrics.push(color);
  const cluster = clusterStep(color) !== null ? color : clusterKey(stepNow.value ?? 0);
  return [
    { value: "", label: say("color.none") },
    { value: cluster, label: say("color.cluster") },
    ...columns.map((name) => ({ value: name, label: nameOf(name), group: say("color.columns") })),
    ...metrics.map((key) => ({ value: key, label: nameOf(key.slice("metric:".length)), group: say("color.metrics") })),
  ];
}

const keyName = (key: string): string => nameOf(isMetric(key) ? key.slice("metric:".length) : key);

export function Colors() {
  const model = active.value;
  if (!model) return null;
  const { color, hidden } = view.value;
  const legend = model.look.value?.legend;
  return (
    <Section title={say("color")}>
      <Select
        value={color}
        label={say("color")}
        options={choices(model)}
        onChange={(next) => change({ color: next, hidden: [] })}
      />
      {clusterStep(color) !== null && <ClusterNote first={panels.value[0]!} />}
      {legend?.kind === "groups" && (
        <ul class="groups">
          {legend.groups.map(({ name, color: ink, count, hidden: off }) => {
            const shown =
              name === HIDDEN_UNKNOWN
                ? say(clusterStep(color) !== null ? "cluster.outside" : "groups.unknown")
                : name === HIDDEN_OTHERS
                  ? say("groups.others")
                  : name;
            const flip = (): void => change({ hidden: off ? hidden.filter((h) => h !== name) : [...hidden, name] });
            return (
              <li key={name}>
                <button
                  type="button"
                  aria-pressed={!off}
                  class={off ? "off" : ""}
                  title={say("groups.hide", { name: shown })}
                  onClick={flip}
                >
                  <span class="dot" style={{ background: ink }} />
                  <span class="grow">{shown}</span>
                  <span class="number">{figure(count)}</span>
                </button>
              </li>
            );
          })}
        </ul>
      )}
      {legend?.kind === "groups" && hidden.length > 0 && (
        <button type="button" class="link" onClick={() => change({ hidden: [] })}>
          {say("groups.all")}
        </button>
      )}
      {legend?.kind === "numbers" && <Ramp scale={legend.scale} />}
    </Section>
  );
}

/** Where the clusters come from, and a way to those of the step that is shown. */
function ClusterNote({ first }: { first: PanelModel }) {
  const { value, loading, error } = first.clusters.value;
  const step = value?.step ?? null;
  const now = stepNow.value === null ? null : stepAt(first.steps.value, stepNow.value);
  const told = error
    ? error.message
    : loading || !value
      ? say("cluster.wait")
      : value.count
        ? say("cluster.found", { n: value.count, step: figure(step), letter: LETTERS[0]! })
        : say("cluster.none", { step: figure(step) });
  return (
    <p class="quiet" role="status" title={say("cluster.hint")}>
      {told}{" "}
      {now !== null && step !== null && now !== step && !loading && (
        <button type="button" class="link" onClick={() => change({ color: clusterKey(now), hidden: [] })}>
          {say("cluster.here", { step: figure(now) })}
        </button>
      )}
    </p>
  );
}

function Ramp({ scale }: { scale: Scale }) {
  const colors = rampColors(scale);
  return (
    <div class="ramp">
      <div style={{ background: `linear-gradient(to right, ${colors.join(", ")})` }} />
      <span>{figure(scale.low)}</span>
      <span>{figure(valueAt(scale, 0.5))}</span>
      <span>{figure(scale.high)}</span>
    </div>
  );
}

export function Filters() {
  const model = active.value;
  if (!model) return null;
  const { ranges } = view.value;
  const options = choices(model).filter(
    ({ value }) =>
      value &&
      clusterStep(value) === null &&
      !(value in ranges) &&
      (isMetric(value) || model.scale(value) !== null),
  );
  const set = (key: string, range: [number, number] | null): void => {
    const next = { ...ranges };
    if (range) next[key] = range;
    else delete next[key];
    change({ ranges: next });
  };
  return (
    <Section title={say("filter")}>
      {Object.entries(ranges).map(([key, range]) => (
        <Range key={key} name={key} range={range} model={model} onChange={(next) => set(key, next)} />
      ))}
      {options.length > 0 && (
        <Select
          value=""
          label={say("filter.add")}
          options={[{ value: "", label: say("filter.add") }, ...options]}
          onChange={(key) => {
            const scale = model.scale(key);
            // A metric is not here yet; its ends come with it, and until then nothing is left out.
            if (key) set(key, scale && !isMetric(key) ? extent(model.numbers(key)!) : [-1e9, 1e9]);
          }}
        />
      )}
    </Section>
  );
}

function extent(values: Float32Array): [number, number] {
  let [low, high] = [Infinity, -Infinity];
  for (const value of values) {
    if (value < low) low = value;
    if (value > high) high = value;
  }
  return low <= high ? [low, high] : [0, 1];
}

const NOTCHES = 200;

/** A range with two ends, on the scale that the colors have. */
function Range({
  name,
  range,
  model,
  onChange,
}: {
  name: string;
  range: [number, number];
  model: PanelModel;
  onChange: (range: [number, number] | null) => void;
}) {
  const values = model.numbers(name);
  const [least, most] = values ? extent(values) : [range[0], range[1]];
  const base = values ? scaleFor(values) : null;
  const scale: Scale = { low: least, high: most, log: base?.log ?? false, ramp: "viridis" };
  const notch = (value: number): number => Math.round(shareOf(scale, value) * NOTCHES);
  const [low, high] = [Math.max(least, range[0]), Math.min(most, range[1])];
  const move = (end: 0 | 1, at: number): void => {
    // The outermost notch means "no bound", so that nothing at the rim is lost by rounding.
    const value = at <= 0 ? least : at >= NOTCHES ? most : valueAt(scale, at / NOTCHES);
    const next: [number, number] = end === 0 ? [Math.min(value, high), high] : [low, Math.max(value, low)];
    onChange(next);
  };
  const label = keyName(name);
  return (
    <div class="range">
      <div class="range-head">
        <span class="grow">{label}</span>
        <span class="number">
          {figure(low)} – {figure(high)}
        </span>
        <button
          type="button"
          class="link"
          aria-label={`${say("filter.remove")}: ${label}`}
          title={say("filter.remove")}
          onClick={() => onChange(null)}
        >
          ×
        </button>
      </div>
      <div
        class="range-rail"
        style={{ "--from": `${notch(low) / (NOTCHES / 100)}%`, "--to": `${notch(high) / (NOTCHES / 100)}%` }}
      >
        {([0, 1] as const).map((end) => (
          <input
            key={end}
            type="range"
            min={0}
            max={NOTCHES}
            value={notch(end === 0 ? low : high)}
            aria-label={say(end === 0 ? "filter.low" : "filter.high", { name: label })}
            aria-valuetext={figure(end === 0 ? low : high)}
            onInput={(event) => move(end, Number(event.currentTarget.value))}
          />
        ))}
      </div>
    </div>
  );
}

export function Shows() {
  const { labels, trails, links, density } = view.value;
  return (
    <Section title={say("show")}>
      <div class="toggles">
        <Toggle on={labels} label={say("labels")} onChange={(on) => change({ labels: on })} />
        <Toggle on={trails} label={say("trails")} onChange={(on) => change({ trails: on })} />
        <Toggle on={links} label={say("links")} onChange={(on) => change({ links: on })} />
        <Toggle on={density} label={say("density")} onChange={(on) => change({ density: on })} />
      </div>
    </Section>
  );
}
