/** The one place where the page's state lives. Everything else reads it, or calls what stands here to change it. */
import { batch, computed, effect, signal } from "@preact/signals";
import { ApiError, api, forget } from "./api";
import { find } from "./find";
import { PanelModel } from "./model";
import { retries } from "./resource";
import { stepAt, unionOfSteps } from "./steps";
import { type Language, say as sayIn, type Key, isKey } from "./strings";
import type { RunInfo, TableInfo } from "./types";
import { MAX_PANELS, type PanelSpec, START, type View, decodeView, encodeView } from "./view";

export const view = signal<View>(decodeView(location.hash));
export const change = (part: Partial<View>): void => {
  view.value = { ...view.value, ...part };
};
/** One field of the view, as a signal. */
export const field = <Name extends keyof View>(name: Name) => computed(() => view.value[name]);

// Language and theme, kept where VisualDL keeps them.

function storedLanguage(): Language {
  const cookie = /(?:^|;\s*)vdl_lng=(\w+)/.exec(document.cookie)?.[1];
  const told = localStorage.getItem("vdlLng") ?? cookie ?? navigator.language;
  return told.startsWith("zh") ? "zh" : "en";
}
export type Theme = "light" | "dark" | "auto";
const THEMES: readonly string[] = ["light", "dark", "auto"];
function storedTheme(): Theme {
  // A server that was started with --theme says so, which VisualDL's own pages put above what was chosen.
  const told = [document.documentElement.dataset.theme, localStorage.getItem("theme")].find(
    (t) => t && THEMES.includes(t),
  );
  return (told as Theme | undefined) ?? "auto";
}

export const language = signal<Language>(storedLanguage());
export const theme = signal<Theme>(storedTheme());
const systemDark = matchMedia("(prefers-color-scheme: dark)");
const systemIsDark = signal(systemDark.matches);
systemDark.addEventListener("change", (event) => (systemIsDark.value = event.matches));
export const dark = computed(() => theme.value === "dark" || (theme.value === "auto" && systemIsDark.value));
const systemCalm = matchMedia("(prefers-reduced-motion: reduce)");
export const calm = signal(systemCalm.matches);
systemCalm.addEventListener("change", (event) => (calm.value = event.matches));

export const say = (key: Key, values?: Record<string, string | number>): string => sayIn(language.value, key, values);
/** What a metric or a column is called; as it is where the page has no word for it. */
export function nameOf(key: string): string {
  const [method, metric] = key.includes("/")
    ? [key.slice(0, key.lastIndexOf("/")), key.slice(key.lastIndexOf("/") + 1)]
    : ["", key];
  const word = isKey(`metric.${metric}`)
    ? say(`metric.${metric}` as Key)
    : isKey(`column.${metric}`)
      ? say(`column.${metric}` as Key)
      : metric;
  return method ? `${mapName(method)} ${word}` : word;
}
const METHODS: Record<string, string> = { tsne: "t-SNE", umap: "UMAP", pca: "PCA" };
export function mapName(map: string): string {
  const method = map.replace(/_3d$/, "");
  return (METHODS[method] ?? method) + (map.endsWith("_3d") ? " 3D" : "");
}
export const chooseLanguage = (next: Language): void => {
  language.value = next;
  localStorage.setItem("vdlLng", next);
  document.cookie = `vdl_lng=${next}; path=/; max-age=31536000; samesite=lax`;
};
export const chooseTheme = (next: Theme): void => {
  theme.value = next;
  localStorage.setItem("theme", next);
};

// What there is.

export const runs = signal<RunInfo[] | null>(null);
export const missing = signal<string[]>([]);
export const failure = signal<ApiError | null>(null);
export const live = signal(true);
/** Counts up when the server has something new. */
export const freshness = signal(0);
export const noWebgl = signal(false);

export const tableOf = (run: string, table: string): TableInfo | null =>
  runs.value?.find(({ name }) => name === run)?.tables.find(({ name }) => name === table) ?? null;

export const panels = signal<PanelModel[]>([]);
export const activePanel = signal(0);
export const active = computed(() => panels.value[Math.min(activePanel.value, panels.value.length - 1)] ?? null);

/** Keep one model for each panel of the view. */
function keepModels(): void {
  const { length } = view.value.panels;
  const now = panels.peek();
  if (now.length === length) return;
  for (const gone of now.slice(length)) gone.dispose();
  panels.value = Array.from({ length }, (_, i) => now[i] ?? new PanelModel(i));
}

export const changePanel = (index: number, part: Partial<PanelSpec>): void => {
  change({ panels: view.value.panels.map((panel, i) => (i === index ? { ...panel, ...part } : panel)) });
};

/** A panel for a run: its first table that is analyzed, t-SNE where there is one. */
export function specFor(run: RunInfo, map?: string): PanelSpec | null {
  const table = run.tables.find(({ analyzed }) => analyzed.length) ?? run.tables[0];
  if (!table) return null;
  const maps = [map, "tsne", "umap", "pca", ...table.projections];
  return {
    run: run.name,
    table: table.name,
    map: maps.find((m) => m && table.projections.includes(m)) ?? "tsne",
    step: null,
  };
}

export function addPanel(): void {
  const { panels: specs } = view.value;
  if (specs.length >= MAX_PANELS || !runs.value) return;
  const shown = new Set(specs.map(({ run }) => run));
  const next = runs.value.find(
    ({ name, tables }) => !shown.has(name) && tables.some(({ analyzed }) => analyzed.length),
  );
  const last = specs.at(-1);
  const spec = (next && specFor(next, last?.map)) ?? (last ? { ...last } : null);
  if (spec) change({ panels: [...specs, spec] });
  activePanel.value = specs.length;
}

export function removePanel(index: number): void {
  if (view.value.panels.length < 2) return;
  // Models go by place: the last one is disposed of, the others read their new spec.
  change({ panels: view.value.panels.filter((_, i) => i !== index) });
  activePanel.value = Math.max(0, Math.min(activePanel.value, view.value.panels.length - 1));
}

// Time.

/** The steps of the slider. */
export const timeline = computed(() => {
  const shown = view.value.linked ? panels.value : active.value ? [active.value] : [];
  return unionOfSteps(shown.map((panel) => panel.steps.value));
});
/** The step of the slider. */
export const stepNow = computed(() => {
  const steps = timeline.value;
  const wanted = view.value.linked ? view.value.step : (active.value?.spec.value.step ?? null);
  return wanted === null ? (steps.at(-1) ?? null) : stepAt(steps, wanted);
});
/** Set while somebody drags the slider, when a glide would only lag behind. */
export const scrubbing = signal(false);
export const playing = signal(false);

export function goTo(step: number | null): void {
  // At the last step a view follows the training; a link to it means the last one, too.
  const wanted = live.value && step === timeline.value.at(-1) ? null : step;
  if (view.value.linked) change({ step: wanted });
  else if (active.value) changePanel(active.value.index, { step: wanted });
}
export function move(by: number): void {
  const steps = timeline.value;
  if (stepNow.value === null) return;
  const to = Math.min(steps.length - 1, Math.max(0, steps.indexOf(stepNow.value) + by));
  goTo(steps[to]!);
}
const PLAY_MS = 1000;
let playTimer = 0;
function keepPlaying(): void {
  clearTimeout(playTimer);
  if (!playing.value) return;
  const { speed } = view.value;
  const step = stepNow.value;
  const ready = panels.value.every((panel) => !panel.scene.value.loading);
  if (!ready || step === null) return;
  const next = timeline.value[timeline.value.indexOf(step) + 1];
  if (next === undefined) {
    playing.value = false;
    return;
  }
  for (const panel of panels.value) panel.prefetch(next);
  playTimer = window.setTimeout(() => goTo(next), PLAY_MS / speed);
}
export function play(on = !playing.value): void {
  const steps = timeline.value;
  if (on && steps.length > 1 && stepNow.value === steps.at(-1)) goTo(steps[0]!);
  playing.value = on && steps.length > 1;
}

// Words.

export const lasso = signal(false);
/** The word under the pointer, in all panels. */
export const hovered = signal<string | null>(null);
export const focus = field("focus");
export const pins = field("pins");
export const selected = field("selected");

export const choose = (label: string | null): void => {
  change({ focus: label, selected: label === null ? [] : [label] });
};
export const selectMany = (labels: string[]): void => {
  change({ selected: labels, focus: labels.length === 1 ? labels[0]! : labels.length ? view.value.focus : null });
};
export const clearSelection = (): void => change({ focus: null, selected: [] });
export const togglePin = (label: string): void => {
  const { pins } = view.value;
  change({ pins: pins.includes(label) ? pins.filter((pin) => pin !== label) : [...pins, label] });
};
export const MANY_PINS = 12;
export const pinAll = (labels: string[]): void => {
  change({ pins: [...new Set([...view.value.pins, ...labels.slice(0, MANY_PINS)])] });
};

const query = field("query");
const regex = field("regex");
/** Search in the labels of all panels; of each label once. */
export const matches = computed(() => {
  const labels = [...new Set(panels.value.flatMap((panel) => panel.rows.value.value?.labels ?? []))];
  const { rows, error } = find(labels, query.value, regex.value);
  return { labels: rows.map((row) => labels[row]!), error };
});
export const matched = computed(() =>
  query.value.trim() && !matches.value.error ? new Set(matches.value.labels) : null,
);

// The address mirrors the view.

let written = "";
let writing = 0;
/** Browsers refuse addresses that change too often, and each change takes them milliseconds: it waits for a rest. */
const MIRROR_MS = 250;
function mirror(): void {
  void view.value;
  if (!runs.value) return;
  clearTimeout(writing);
  writing = window.setTimeout(writeAddress, MIRROR_MS);
}
/** Write the address at once, for whoever takes it along. */
export function writeAddress(): void {
  clearTimeout(writing);
  const fragment = encodeView(view.peek());
  if (fragment === written) return;
  written = fragment;
  history.replaceState(null, "", `#${fragment}`);
}
function follow(): void {
  if (location.hash.slice(1) === written) return;
  written = location.hash.slice(1);
  view.value = decodeView(location.hash);
  settle();
}

/** Give a view its panels where it has none, and drop those whose run is gone. */
function settle(): void {
  if (!runs.value) return;
  const known = view.value.panels.filter(({ run, table }) => tableOf(run, table));
  const asked = view.value.panels.length > 0;
  if (asked && known.length === view.value.panels.length) return;
  const first = runs.value.find(({ tables }) => tables.some(({ analyzed }) => analyzed.length)) ?? runs.value[0];
  const spec = first && specFor(first);
  const next = known.length ? known : spec ? [spec] : [];
  if (next.length || asked) change({ panels: next });
  if (!asked && spec && !tableOf(spec.run, spec.table)?.columns.includes("group") && view.value.color === START.color) {
    change({ color: tableOf(spec.run, spec.table)?.columns[0] ?? "" });
  }
}

const LIVE_MS = 1000;
let revision = "";
export async function refresh(force = false): Promise<void> {
  try {
    if (runs.value && !force) {
      const status = await api.status();
      failure.value = null;
      if (status.revision === revision) return;
      revision = status.revision;
    } else revision = (await api.status()).revision;
    forget();
    const found = await api.runs();
    batch(() => {
      runs.value = found.runs;
      missing.value = found.missing ?? [];
      failure.value = null;
      freshness.value += 1;
      retries.value += 1;
      settle();
    });
  } catch (error) {
    failure.value = error instanceof ApiError ? error : new ApiError(String(error), 0);
  }
}
export async function start(): Promise<void> {
  for (const keep of [keepModels, keepPlaying, mirror]) effect(keep);
  addEventListener("hashchange", follow);
  addEventListener("pagehide", writeAddress);
  await refresh(true);
  const again = async (): Promise<void> => {
    if ((live.value || failure.value) && !document.hidden) await refresh();
    setTimeout(again, LIVE_MS);
  };
  setTimeout(again, LIVE_MS);
}
