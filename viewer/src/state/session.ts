/** Session: the address contains the view, and the page polls for changes. */
import { batch, effect } from "@preact/signals";
import { START, decodeView, encodeView } from "../logic/view";
import { SourceError, source } from "../source";
import { keepModels, specFor } from "./panels";
import { retries } from "./resource";
import { change, failure, freshness, live, missing, palette, runs, tableOf, view } from "./store";
import { keepPlaying } from "./time";

let written = "";
let writing = 0;
/** Delay of changes to the address: browsers reject frequent changes, and each takes milliseconds. */
const MIRROR_MS = 250;
function mirror(): void {
  void view.value;
  if (!runs.value) return;
  clearTimeout(writing);
  writing = window.setTimeout(writeAddress, MIRROR_MS);
}
/** Write the address immediately, before it is copied. */
export function writeAddress(): void {
  clearTimeout(writing);
  const fragment = encodeView(view.peek());
  if (fragment === written) return;
  written = fragment;
  try {
    history.replaceState(null, "", `#${fragment}`);
  } catch {
    // The address of a file in a frame cannot be changed.
  }
}
function follow(): void {
  if (location.hash.slice(1) === written) return;
  written = location.hash.slice(1);
  view.value = decodeView(location.hash);
  settle();
}

/** Add panels to a view without any, and drop panels of removed runs. */
function settle(): void {
  if (!runs.value) return;
  const known = view.value.panels.filter(({ run, table }) => tableOf(run, table));
  const asked = view.value.panels.length > 0;
  if (asked && known.length === view.value.panels.length) return;
  const { opening } = source;
  const first = runs.value.find(({ tables }) => tables.some(({ analyzed }) => analyzed.length)) ?? runs.value[0];
  const spec = first && specFor(first);
  const usual = opening ? opening.panels.map((panel) => ({ ...panel, step: null })) : spec ? [spec] : [];
  const next = known.length ? known : usual;
  if (next.length || asked) change({ panels: next });
  if (asked) return;
  if (opening) change({ color: opening.color, pins: opening.pins });
  else if (spec && !tableOf(spec.run, spec.table)?.columns.includes("group") && view.value.color === START.color) {
    change({ color: tableOf(spec.run, spec.table)?.columns[0] ?? "" });
  }
}

const LIVE_MS = 1000;
let revision = "";
export async function refresh(force = false): Promise<void> {
  try {
    if (runs.value && !force) {
      const status = await source.status();
      failure.value = null;
      if (status.revision === revision) return;
      revision = status.revision;
    } else revision = (await source.status()).revision;
    source.forget();
    const found = await source.runs();
    batch(() => {
      palette.value = found.palette;
      runs.value = found.runs;
      missing.value = found.missing ?? [];
      failure.value = null;
      freshness.value += 1;
      retries.value += 1;
      settle();
    });
  } catch (error) {
    failure.value = error instanceof SourceError ? error : new SourceError(String(error), 0);
  }
}
export async function start(): Promise<void> {
  for (const keep of [keepModels, keepPlaying, mirror]) effect(keep);
  addEventListener("hashchange", follow);
  addEventListener("pagehide", writeAddress);
  await refresh(true);
  if (!source.abilities.live) return;
  const again = async (): Promise<void> => {
    if ((live.value || failure.value) && !document.hidden) await refresh();
    setTimeout(again, LIVE_MS);
  };
  setTimeout(again, LIVE_MS);
}
