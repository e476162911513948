/** Toolbar for all maps: move, lasso, fit, another panel, files. */
import { signal } from "@preact/signals";
import type { Key } from "../logic/strings";
import { MAX_PANELS } from "../logic/view";
import { fit } from "../map/camera";
import { source } from "../source";
import { addPanel, change, hasTime, lasso, panels, say, stepNow, view, writeAddress } from "../state";
import { exportCsv, exportPng, exportTsv } from "./export";
import { IconButton, Menu, Toggle } from "./ui";

const copied = signal(false);

export function Tools() {
  const { linked, aligned, panels: specs, selected } = view.value;
  return (
    <div class="tools" role="toolbar" aria-label={say("map")}>
      <div class="pair">
        <IconButton icon="move" label={say("move")} pressed={!lasso.value} onClick={() => (lasso.value = false)} />
        <IconButton icon="lasso" label={say("lasso")} pressed={lasso.value} onClick={() => (lasso.value = true)} />
      </div>
      <IconButton icon="fit" label={say("fit")} onClick={fit} />
      <span class="grow" />
      {specs.length > 1 && hasTime.value && <Toggle on={linked} label={say("link.steps")} onChange={link} />}
      {specs.length > 1 && source.abilities.compare && (
        <Toggle on={aligned} label={say("align")} onChange={(on) => change({ aligned: on })} />
      )}
      <IconButton
        icon="plus"
        label={specs.length >= MAX_PANELS ? say("panel.maximum") : say("panel.add")}
        disabled={specs.length >= MAX_PANELS}
        onClick={addPanel}
      />
      <Menu button={say("export")} label={say("export")} class="export">
        {(close) => {
          const item = (key: Key, act: () => void, disabled = false) => (
            <button
              type="button"
              key={key}
              disabled={disabled}
              onClick={() => {
                act();
                close();
              }}
            >
              {say(key)}
            </button>
          );
          return [
            item("export.png", () => void exportPng()),
            item("export.csv", () => exportCsv("selected"), !selected.length),
            item("export.csv-all", () => exportCsv("shown")),
            item("export.tsv", () => exportTsv("coordinates")),
            item("export.metadata", () => exportTsv("metadata")),
            ...(source.abilities.links ? [item("export.link", () => void copyLink())] : []),
          ];
        }}
      </Menu>
      <span class="told" role="status">
        {copied.value && say("export.copied")}
      </span>
    </div>
  );
}

/** Unlinked panels keep their step; linked panels show the step of the slider. */
function link(on: boolean): void {
  const step = stepNow.value;
  if (on) change({ linked: true, step });
  else
    change({
      linked: false,
      panels: view.value.panels.map((panel, i) => ({ ...panel, step: panels.value[i]?.step.value ?? null })),
    });
}

async function copyLink(): Promise<void> {
  writeAddress();
  await navigator.clipboard.writeText(location.href);
  copied.value = true;
  setTimeout(() => (copied.value = false), 3000);
}
