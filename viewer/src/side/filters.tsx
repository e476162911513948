/** Filters of rows by numbers. */
import { type Scale, scaleFor, shareOf, valueAt } from "../logic/colors";
import { Section, Select, figure } from "../parts/ui";
import { active, change, choices, keyName, say, view } from "../state";
import { clusterStep } from "../state/clusters";
import type { PanelModel } from "../state/model";
import { isMetric } from "../state/scene";

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
            // Bounds are unknown until the metric is loaded; until then no row is hidden.
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

/** Range slider with two bounds, on the scale of the colors. */
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
    // The outermost positions mean "no bound", so that rounding hides no row.
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
