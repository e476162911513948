import { effect } from "@preact/signals";
import { render } from "preact";
import { fit, lookThrough, pan, turnBy, zoom } from "./map/camera";
import { isSupported } from "./map/renderer";
import { Bar } from "./parts/bar";
import { Curves } from "./parts/curves";
import { Help, helping } from "./parts/help";
import { Panel } from "./parts/panel";
import { Timeline } from "./parts/timeline";
import { Tools } from "./parts/tools";
import { AboutFile } from "./side/about";
import { Filters } from "./side/filters";
import { Alerts, Findings, startResting } from "./side/findings";
import { Colors } from "./side/legend";
import { Maps } from "./side/maps";
import { Neighbors } from "./side/neighbors";
import { OverSteps, Similarities } from "./side/oversteps";
import { SEARCH_ID, Search } from "./side/search";
import { Show } from "./side/show";
import { WordCard } from "./side/words";
import { source } from "./source";
import {
  active,
  change,
  clearSelection,
  dark,
  failure,
  focus,
  goTo,
  hasTime,
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
  theme,
  timeline,
  togglePin,
  view,
} from "./state";
import { startComparing } from "./state/compare";
import "./style/base.css";
import "./style/bar.css";
import "./style/columns.css";
import "./style/word.css";
import "./style/maps.css";
import "./style/dock.css";
import "./style/narrow.css";

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
      {hasTime.value && (
        <div class="dock">
          <Curves />
          <Timeline />
        </div>
      )}
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
            <Show />
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
            {hasTime.value && <OverSteps />}
            {source.abilities.similarities && <Similarities />}
            <Findings />
            {hasTime.value && <Alerts />}
            {source.about && <AboutFile about={source.about} />}
          </>
        )}
      </aside>
      <Help />
    </>
  );
}

/** Directions of the arrow keys with Shift, to the right and down. */
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
    ...(onButton || !hasTime.peek() ? {} : { " ": () => play() }),
    ...(onSlider || !hasTime.peek()
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
  document.title = source.about?.title ?? `${say("title")} - VisualDL`;
});
addEventListener("keydown", keys);
render(<App />, document.getElementById("root")!);
startComparing();
startResting();
void start();
// A typed address, or one from the history, contains the camera.
addEventListener("hashchange", () => {
  const { eye } = view.peek();
  if (eye) lookThrough(eye);
});
