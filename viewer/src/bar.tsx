/** VisualDL's bar, as its own pages have it, with this page among them. */
import { signal } from "@preact/signals";
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import { VISUALDL, api } from "./api";
import { type Theme, chooseLanguage, chooseTheme, language, refresh, say, theme } from "./state";
import { type Key, isKey } from "./strings";
import { Icon, Menu } from "./ui";

interface Page {
  id: string;
  path?: string;
  children?: Page[];
}
/** VisualDL's pages, in its order; a page is shown where the server names its id. */
const PAGES: Page[] = [
  { id: "scalar", path: "scalar" },
  {
    id: "sample",
    children: [
      { id: "image", path: "sample/image" },
      { id: "audio", path: "sample/audio" },
      { id: "text", path: "sample/text" },
    ],
  },
  {
    id: "graph",
    children: [
      { id: "dynamic_graph", path: "graph/dynamic_graph" },
      { id: "static_graph", path: "graph/static_graph" },
    ],
  },
  { id: "x2paddle", path: "x2paddle" },
  { id: "histogram", path: "histogram" },
  { id: "hyper-parameter", path: "hyper-parameter" },
  { id: "profiler", path: "profiler" },
  { id: "high-dimensional", path: "high-dimensional" },
  { id: "pr-curve", path: "pr-curve" },
  { id: "roc-curve", path: "roc-curve" },
  { id: "fastdeploy_server", path: "fastdeploy_server" },
  { id: "fastdeploy_client", path: "fastdeploy_client" },
];
const COMPONENTS: Record<string, string> = {
  "high-dimensional": "embeddings",
  "pr-curve": "pr_curve",
  "roc-curve": "roc_curve",
  "hyper-parameter": "hyper_parameters",
};
/** VisualDL shows so many pages and puts the others behind "more"; fewer where there is no room for them. */
const MOST = 6;
const shown = signal(MOST);

const tabs = signal<string[]>([]);
const logoMissing = signal(false);

const nameOf = ({ id }: Page): string => (isKey(`nav.${id}`) ? say(`nav.${id}` as Key) : id);
const isThere = ({ id, children }: Page): boolean =>
  tabs.value.includes(COMPONENTS[id] ?? id) || (children?.some(isThere) ?? false);
const hrefOf = (path: string): string => new URL(path, VISUALDL).pathname;

const Links = ({ pages }: { pages: Page[] }) => (
  <ul>
    {pages.map((page) => (
      <li key={page.id}>
        <a href={hrefOf(page.path!)}>{nameOf(page)}</a>
      </li>
    ))}
  </ul>
);

const flat = (pages: Page[]): Page[] =>
  pages.flatMap((page) => (page.children ? page.children.filter(isThere) : [page]));

export function Bar({ onHelp }: { onHelp: () => void }) {
  const nav = useRef<HTMLElement>(null);
  useEffect(() => {
    const widen = (): void => {
      shown.value = MOST;
    };
    addEventListener("resize", widen);
    api.tabs().then(
      (found) => (tabs.value = found),
      () => {},
    );
    return () => removeEventListener("resize", widen);
  }, []);
  useLayoutEffect(() => {
    const { scrollWidth = 0, clientWidth = 0 } = nav.current ?? {};
    if (scrollWidth > clientWidth && shown.value > 1) shown.value -= 1;
  });
  const there = PAGES.filter(isThere);
  const other = language.value === "zh" ? "en" : "zh";
  return (
    <header class="bar">
      <a
        class="skip"
        href="#maps"
        onClick={(event) => {
          event.preventDefault();
          document.getElementById("maps")?.focus();
        }}
      >
        {say("skip")}
      </a>
      <a class="brand" href={hrefOf("index")}>
        {!logoMissing.value && (
          <img
            alt="PaddlePaddle"
            src={hrefOf("_dist_/assets/images/logo.svg")}
            onError={() => (logoMissing.value = true)}
          />
        )}
        <span>VisualDL</span>
      </a>
      <nav aria-label={say("nav.label")} ref={nav}>
        {there.slice(0, shown.value).map((page) =>
          page.children ? (
            <Menu
              key={page.id}
              button={<span class="nav-text">{nameOf(page)}</span>}
              label={nameOf(page)}
              class="nav-item"
            >
              {() => <Links pages={page.children!.filter(isThere)} />}
            </Menu>
          ) : (
            <a key={page.id} class="nav-item" href={hrefOf(page.path!)}>
              <span class="nav-text">{nameOf(page)}</span>
            </a>
          ),
        )}
        {there.length > shown.value && (
          <Menu button={<span class="nav-text">{say("nav.more")} ▾</span>} label={say("nav.more")} class="nav-item">
            {() => <Links pages={flat(there.slice(shown.value))} />}
          </Menu>
        )}
        <a class="nav-item here" aria-current="page" href="#">
          <span class="nav-text">{say("title")}</span>
        </a>
      </nav>
      <div class="bar-right">
        <button type="button" class="nav-item" title={say("help")} aria-label={say("help")} onClick={onHelp}>
          <Icon name="help" />
        </button>
        <Menu button={<Icon name="theme" />} label={say("theme")} class="nav-item themes">
          {(close) =>
            (["light", "dark", "auto"] as Theme[]).map((name) => (
              <button
                type="button"
                key={name}
                aria-pressed={theme.value === name}
                onClick={() => {
                  chooseTheme(name);
                  close();
                }}
              >
                <span class={`swatch ${name}`} />
                {say(`theme.${name}`)}
              </button>
            ))
          }
        </Menu>
        <button
          type="button"
          class="nav-item language"
          lang={other}
          title={say("language")}
          aria-label={`${say("language")} (中 | En)`}
          onClick={() => {
            shown.value = MOST;
            chooseLanguage(other);
          }}
        >
          <span class={language.value === "zh" ? "on" : ""}>中</span>
          <i />
          <span class={language.value === "en" ? "on" : ""}>En</span>
        </button>
        <button
          type="button"
          class="nav-item"
          title={say("refresh")}
          aria-label={say("refresh")}
          onClick={() => void refresh(true)}
        >
          <Icon name="refresh" />
        </button>
      </div>
    </header>
  );
}
