/** Language and theme, stored like VisualDL's, and translated names. */
import { computed, signal } from "@preact/signals";
import { partsOf } from "../logic/maps";
import { type Key, type Language, isKey, metricTitle, say as sayIn } from "../logic/strings";
import { source } from "../source";

/** Storage of the browser; none if it is disabled, as for some files and in frames. */
function recall(key: string): string | null {
  try {
    return localStorage.getItem(key);
  } catch {
    return null;
  }
}
function remember(key: string, value: string): void {
  try {
    localStorage.setItem(key, value);
  } catch {
    // Then the choice lasts for this visit.
  }
}
const COOKIE = "vdl_lng";
function cookie(): string | undefined {
  try {
    return new RegExp(`(?:^|;\\s*)${COOKIE}=(\\w+)`).exec(document.cookie)?.[1];
  } catch {
    return undefined;
  }
}

function storedLanguage(): Language {
  const told = recall("vdlLng") ?? cookie() ?? navigator.language;
  return told.startsWith("zh") ? "zh" : "en";
}
export type Theme = "light" | "dark" | "auto";
const THEMES: readonly string[] = ["light", "dark", "auto"];
function storedTheme(): Theme {
  // The option --theme of the server overrides the choice, as on VisualDL's own pages.
  const told = [document.documentElement.dataset.theme, recall("theme")].find(
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
/** Translated name of a metric or column; its own name if there is no translation. */
export function nameOf(key: string): string {
  const [method, metric] = key.includes("/")
    ? [key.slice(0, key.lastIndexOf("/")), key.slice(key.lastIndexOf("/") + 1)]
    : ["", key];
  const word =
    metricTitle(language.value, metric) ?? (isKey(`column.${metric}`) ? say(`column.${metric}` as Key) : metric);
  return method ? `${mapName(method)} ${word}` : word;
}
const METHODS: Record<string, string> = { tsne: "t-SNE", umap: "UMAP", pca: "PCA" };
export const methodName = (method: string): string => METHODS[method] ?? method;
/** Name of a map: "t-SNE 3D · perplexity 5 · seed 43". */
export function mapName(map: string): string {
  const { method, in3d, varied } = partsOf(map);
  return [methodName(method) + (in3d ? " 3D" : ""), ...varied.map(variedName)].join(" · ");
}
function variedName([name, value]: [string, string]): string {
  return isKey(`map.${name}`) ? say(`map.${name}` as Key, { value }) : `${name.replaceAll("_", " ")} ${value}`;
}
/** Parameters that distinguish a map from others of its method. */
export const variantName = (map: string): string => partsOf(map).varied.map(variedName).join(" · ");
export const chooseLanguage = (next: Language): void => {
  language.value = next;
  remember("vdlLng", next);
  // Files have no cookies; VisualDL's server reads this one.
  if (source.visualdl) document.cookie = `${COOKIE}=${next}; path=/; max-age=31536000; samesite=lax`;
};
export const chooseTheme = (next: Theme): void => {
  theme.value = next;
  remember("theme", next);
};
