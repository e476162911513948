/** Alerts of the shown runs. */
import { source } from "../source";
import type { Alert } from "../source/types";
import { panels } from "./panels";
import { resource } from "./resource";
import { language } from "./settings";
import { freshness, tableOf } from "./store";

/** Alerts of the shown runs by panel. */
export const alerts = resource(() => {
  const tables = panels.value.map((panel) => panel.spec.value).filter(({ run, table }) => tableOf(run, table));
  if (!tables.length) return null;
  const distinct = [...new Map(tables.map(({ run, table }) => [`${run}\n${table}`, { run, table }])).values()];
  return {
    key: `${JSON.stringify(distinct)}${freshness.value}`,
    load: async () => {
      const lists = await Promise.all(
        distinct.map(async ({ run, table }) => (await source.alerts(run, table)).map((alert) => ({ ...alert, run }))),
      );
      return lists.flat().sort((a, b) => a.step - b.step);
    },
  };
});

export const told = (alert: Alert): string => (language.value === "zh" && alert.message_zh) || alert.message;
