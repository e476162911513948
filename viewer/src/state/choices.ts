/** Columns and metrics for colors and filters. */
import { say, nameOf } from "./settings";
import { clusterKey, clusterStep } from "./clusters";
import type { PanelModel } from "./model";
import { panels } from "./panels";
import { isMetric, metricKey } from "./scene";
import { view } from "./store";
import { stepNow } from "./time";

/** Choice with its heading. */
export interface Choice {
  value: string;
  label: string;
  group?: string;
}

/** Choices of colors: columns of all panels, then metrics of the active one. */
export function choices(model: PanelModel): Choice[] {
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

export const keyName = (key: string): string => nameOf(isMetric(key) ? key.slice("metric:".length) : key);
