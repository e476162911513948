/** Choice of maps: the method, its dimensions, and its parameters if there are several. */
import { mapLike, partsOf } from "../logic/maps";
import { Section, Segments, Select } from "../parts/ui";
import { active, changePanel, methodName, say, tableOf, variantName, view } from "../state";

export function Maps() {
  const specs = view.value.panels;
  const here = active.value?.spec.value;
  if (!here) return null;
  const known = [...new Set(specs.flatMap(({ run, table }) => tableOf(run, table)?.projections ?? []))];
  const methods = [...new Set(known.map((map) => partsOf(map).method))];
  const { method, in3d } = partsOf(here.map);
  const set = (map: string | null): void => {
    // Panels with the same map change together; otherwise only the active one changes.
    const together = specs.every((spec) => spec.map === here.map);
    specs.forEach(({ run, table }, i) => {
      if (map && (together || i === active.value?.index) && tableOf(run, table)?.projections.includes(map))
        changePanel(i, { map });
    });
  };
  const has = (wanted: boolean): boolean =>
    known.some((map) => partsOf(map).method === method && partsOf(map).in3d === wanted);
  const deep = known.some((map) => partsOf(map).in3d);
  const variants = known.filter((map) => partsOf(map).method === method && partsOf(map).in3d === in3d);
  if (methods.length < 2 && !deep && variants.length < 2) return null;
  return (
    <Section title={say("map")}>
      <div class="map-choices">
        {methods.length > 1 && (
          <Segments
            value={method}
            label={say("map")}
            options={methods.map((value) => ({ value, label: methodName(value) }))}
            onChange={(wanted) => set(mapLike(known, wanted, in3d))}
          />
        )}
        {deep && (
          <Segments
            value={in3d ? "3" : "2"}
            label={say("dimensions")}
            options={[
              { value: "2", label: "2D", disabled: !has(false) },
              { value: "3", label: "3D", disabled: !has(true) },
            ]}
            onChange={(wanted) => set(mapLike(known, method, wanted === "3"))}
          />
        )}
        {variants.length > 1 && (
          <Select
            value={here.map}
            label={say("map.variant")}
            options={variants.map((value) => ({ value, label: variantName(value) || methodName(method) }))}
            onChange={set}
          />
        )}
      </div>
    </Section>
  );
}
