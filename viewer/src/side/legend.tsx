/** Choice of colors, and their legend. */
import { type Scale, rampColors, valueAt } from "../logic/colors";
import { HIDDEN_OTHERS, HIDDEN_UNKNOWN } from "../logic/look";
import { stepAt } from "../logic/steps";
import { Section, Select, figure } from "../parts/ui";
import { source } from "../source";
import { active, change, choices, hasTime, language, panels, say, stepNow, view } from "../state";
import { clusterKey, clusterStep } from "../state/clusters";
import { LETTERS, type PanelModel } from "../state/model";
import { resource } from "../state/resource";
import { isMetric } from "../state/scene";
import { noMotion } from "./words";

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
      {legend?.kind === "numbers" && isMetric(color) && <Meaning name={color.slice("metric:".length)} />}
      {color === "metric:motion" && model.info.value.value?.redrawn && <p class="quiet">{noMotion(model)}</p>}
    </Section>
  );
}

const meanings = resource(() => ({ key: "metrics", load: () => source.metrics() }));

/** Description of a metric, if there is one. */
function Meaning({ name }: { name: string }) {
  const known = meanings.value.value?.[name];
  if (!known) return null;
  return <p class="quiet">{language.value === "zh" ? known.description_zh : known.description}</p>;
}

/** Step of the clusters, and a button for those of the shown step. */
function ClusterNote({ first }: { first: PanelModel }) {
  const { value, loading, error } = first.clusters.value;
  const step = value?.step ?? null;
  const now = stepNow.value === null ? null : stepAt(first.steps.value, stepNow.value);
  const told = error
    ? error.message
    : loading || !value
      ? say("cluster.wait")
      : value.count
        ? say(hasTime.value ? "cluster.found" : "cluster.found.once", {
            n: value.count,
            step: figure(step),
            letter: LETTERS[0]!,
          })
        : say(hasTime.value ? "cluster.none" : "cluster.none.once", { step: figure(step) });
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
