import { effect, signal } from "@preact/signals";
import { render } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { Bar } from "./bar";
import { fit, lookThrough, pan, turnBy, zoom } from "./camera";
import { startComparing } from "./compare";
import { Curves } from "./curves";
import { exportCsv, exportPng, exportTsv } from "./export";
import { Alerts, Findings, startResting } from "./findings";
import { Colors, Filters, Maps, Shows } from "./legend";
import { Panel } from "./panel";
import { isSupported } from "./renderer";
import { SEARCH_ID, Search } from "./search";
import {
  active,
  addPanel,
  change,
  clearSelection,
  dark,
  failure,
  focus,
  goTo,
  language,
  lasso,
  missing,
  move,
  noWebgl,
  panels,
  play,
  playing,
  refresh,
  runs,
  say,
  start,
  stepNow,
  theme,
  timeline,
  togglePin,
  view,
  writeAddress,
} from "./state";
import type { Key } from "./strings";
import "./style/base.css";
import "./style/bar.css";
import "./style/columns.css";
import "./style/word.css";
import "./style/maps.css";
import "./style/dock.css";
import "./style/narrow.css";
import { Timeline } from "./timeline";
import { IconButton, Menu, Toggle } from "./ui";
import { MAX_PANELS } from "./view";
import { Neighbors, OverSteps, Similarities, WordCard } from "./words";

const helping = signal(false);
const copied = signal(false);

function Tools() {
  const { linked, aligned, panels: specs, selected } = view.value;
  return (
    <div class="tools" role="toolbar" aria-label={say("map")}>
      <div class="pair">
        <IconButton icon="move" label={say("move")} pressed={!lasso.value} onClick={() => (lasso.value = false)} />
        <IconButton icon="lasso" label={say("lasso")} pressed={lasso.value} onClick={() => (lasso.value = true)} />
      </div>
      <IconButton icon="fit" label={say("fit")} onClick={fit} />
      <span class="grow" />
      {specs.length > 1 && <Toggle on={linked} label={say("link.steps")} onChange={link} />}
      {specs.length > 1 && <Toggle on={aligned} label={say("align")} onChange={(on) => change({ aligned: on })} />}
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
            item("export.link", () => void copyLink()),
          ];
        }}
      </Menu>
      <span class="told" role="status">
        {copied.value && say("export.copied")}
      </span>
    </div>
  );
}

/** Free panels keep the step that they showed; linked ones take that of the slider. */
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

const KEYS: [string, Key][] = [
  ["Space", "help.space"],
  ["← →", "help.arrows"],
  ["Home End", "help.ends"],
  ["/", "help.search"],
  ["L", "help.lasso"],
  ["F", "help.fit"],
  ["+ −", "help.zoom"],
  ["Shift ←→↑↓", "help.steer"],
  ["T", "help.labels"],
  ["P", "help.pin"],
  ["Esc", "help.escape"],
  ["?", "help.help"],
];

function Help() {
  const dialog = useRef<HTMLDialogElement>(null);
  const open = helping.value;
  useEffect(() => {
    if (open) dialog.current?.showModal();
    else dialog.current?.close();
  }, [open]);
  return (
    <dialog ref={dialog} aria-label={say("help.title")} onClose={() => (helping.value = false)}>
      <h2>{say("help.title")}</h2>
      <dl>
        {KEYS.map(([key, what]) => (
          <div key={key}>
            <dt>
              <kbd>{key}</kbd>
            </dt>
            <dd>{say(what)}</dd>
          </div>
        ))}
      </dl>
      <p>{say("help.mouse")}</p>
      <button type="button" onClick={() => (helping.value = false)}>
        {say("close")}
      </button>
    </dialog>
  );
}

function Middle() {
  if (noWebgl.value) return <Empty title={say("error.webgl")} what={say("error.webgl.what")} />;
  const failed = failure.value;
  if (failed && !runs.value) {
    const what = failed.status === 401 || failed.status === 403 ? say("error.token") : failed.message;
    return <Empty title={failed.status ? say("error.title") : say("error.server")} what={what} retry />;
  }
  if (!runs.value) return <Empty title={say("loading")} what="" />;
  if (!panels.value.length) return <Empty title={say("empty.runs")} what={say("empty.runs.what")} />;
  return (
    <>
      <Tools />
      <div class={`panels of-${panels.value.length}`} id="maps" tabIndex={-1}>
        {panels.value.map((model) => (
          <Panel key={model.index} model={model} />
        ))}
      </div>
      <div class="dock">
        <Curves />
        <Timeline />
      </div>
    </>
  );
}

const Empty = ({ title, what, retry = false }: { title: string; what: string; retry?: boolean }) => (
  <div class="empty" role={retry ? "alert" : "status"}>
    <strong>{title}</strong>
    <p>{what}</p>
    {retry && (
      <button type="button" onClick={() => void refresh(true)}>
        {say("error.retry")}
      </button>
    )}
  </div>
);

function App() {
  const some = panels.value.length > 0;
  return (
    <>
      <Bar onHelp={() => (helping.value = true)} />
      <aside class="left" aria-label={say("search")}>
        {some && (
          <>
            <Search />
            <Maps />
            <Colors />
            <Filters />
            <Shows />
          </>
        )}
      </aside>
      <main>
        <h1 class="unseen">{say("main")}</h1>
        {failure.value && runs.value && (
          <div class="notice" role="alert">
            {failure.value.message || say("error.server")}
          </div>
        )}
        {missing.value.length > 0 && (
          <details class="notice">
            <summary>{say("missing.title")}</summary>
            <ul>
              {missing.value.map((line) => (
                <li key={line}>{line}</li>
              ))}
            </ul>
          </details>
        )}
        <Middle />
      </main>
      <aside class="right" aria-label={say("word")}>
        {some && (
          <>
            <WordCard />
            <Neighbors />
            <OverSteps />
            <Similarities />
            <Findings />
            <Alerts />
          </>
        )}
      </aside>
      <Help />
    </>
  );
}

/** With the shift key: where the eye goes, to the right and down. */
const STEERING: Record<string, [number, number]> = {
  ArrowLeft: [-1, 0],
  ArrowRight: [1, 0],
  ArrowUp: [0, -1],
  ArrowDown: [0, 1],
};

function keys(event: KeyboardEvent): void {
  const target = event.target as HTMLElement;
  if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
  const typing = target.matches("input:not([type=range]):not([type=checkbox]), textarea, select");
  if (event.key === "Escape") {
    if (typing) target.blur();
    else clearSelection();
    return;
  }
  if (typing) return;
  const steer = event.shiftKey ? STEERING[event.key] : undefined;
  if (steer) {
    event.preventDefault();
    if (active.value?.scene.value.value?.frame.components === 3) turnBy(steer[0] * 0.1, steer[1] * 0.1);
    else pan(-steer[0] * 0.15, steer[1] * 0.15);
    return;
  }
  const onButton = target.matches("button, a, summary, input[type=checkbox]");
  const onSlider = target.matches("input[type=range]");
  const acts: Record<string, () => void> = {
    "/": () => document.getElementById(SEARCH_ID)?.focus(),
    "?": () => (helping.value = true),
    l: () => (lasso.value = !lasso.value),
    f: fit,
    "+": () => zoom(1.25),
    "=": () => zoom(1.25),
    "-": () => zoom(0.8),
    t: () => change({ labels: !view.value.labels }),
    p: () => focus.value !== null && togglePin(focus.value),
    ...(onButton ? {} : { " ": () => play() }),
    ...(onSlider
      ? {}
      : {
          ArrowLeft: () => move(-1),
          ArrowRight: () => move(1),
          Home: () => goTo(timeline.value[0] ?? null),
          End: () => goTo(timeline.value.at(-1) ?? null),
        }),
  };
  const act = acts[event.key] ?? acts[event.key.toLowerCase()];
  if (!act) return;
  event.preventDefault();
  if (event.key.startsWith("Arrow")) playing.value = false;
  act();
}

noWebgl.value = !isSupported();
effect(() => {
  const root = document.documentElement;
  root.lang = language.value === "zh" ? "zh-CN" : "en";
  root.classList.remove("light", "dark", "auto");
  root.classList.add(theme.value);
  root.toggleAttribute("data-dark", dark.value);
  document.title = `${say("title")} - VisualDL`;
});
addEventListener("keydown", keys);
render(<App />, document.getElementById("root")!);
startComparing();
startResting();
void start();
// An address that somebody typed, or went back to, says from where to look.
addEventListener("hashchange", () => {
  const { eye } = view.peek();
  if (eye) lookThrough(eye);
});
