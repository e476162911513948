/** Links to VisualDL's pages and to this page. */
import { signal } from "@preact/signals";
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import { type Key, isKey } from "../logic/strings";
import type { Source } from "../source/source";
import { language, say } from "../state";
import { Menu } from "./ui";

interface Page {
  id: string;
  path?: string;
  children?: Page[];
}
/** VisualDL's pages in its order; a page is shown if the server lists its ID. */
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
/** Number of pages that VisualDL shows before "more"; fewer if there is no room. */
const MOST = 6;
const shown = signal(MOST);

const tabs = signal<string[]>([]);
const logoMissing = signal(false);

const nameOf = ({ id }: Page): string => (isKey(`nav.${id}`) ? say(`nav.${id}` as Key) : id);
const isThere = ({ id, children }: Page): boolean =>
  tabs.value.includes(COMPONENTS[id] ?? id) || (children?.some(isThere) ?? false);
const hrefOf = (path: string, home: URL): string => new URL(path, home).pathname;

const Links = ({ pages, home }: { pages: Page[]; home: URL }) => (
  <ul>
    {pages.map((page) => (
      <li key={page.id}>
        <a href={hrefOf(page.path!, home)}>{nameOf(page)}</a>
      </li>
    ))}
  </ul>
);

const flat = (pages: Page[]): Page[] =>
  pages.flatMap((page) => (page.children ? page.children.filter(isThere) : [page]));

export function Nav({ home, tabs: ask }: NonNullable<Source["visualdl"]>) {
  const nav = useRef<HTMLElement>(null);
  useEffect(() => {
    const widen = (): void => {
      shown.value = MOST;
    };
    addEventListener("resize", widen);
    ask().then(
      (found) => (tabs.value = found),
      () => {},
    );
    return () => removeEventListener("resize", widen);
  }, []);
  // Widths of names depend on the language.
  useLayoutEffect(() => {
    shown.value = MOST;
  }, [language.value]);
  useLayoutEffect(() => {
    const { scrollWidth = 0, clientWidth = 0 } = nav.current ?? {};
    if (scrollWidth > clientWidth && shown.value > 1) shown.value -= 1;
  });
  const there = PAGES.filter(isThere);
  return (
    <>
      <a class="brand" href={hrefOf("index", home)}>
        {!logoMissing.value && (
          <img
            alt="PaddlePaddle"
            src={hrefOf("_dist_/assets/images/logo.svg", home)}
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
              {() => <Links home={home} pages={page.children!.filter(isThere)} />}
            </Menu>
          ) : (
            <a key={page.id} class="nav-item" href={hrefOf(page.path!, home)}>
              <span class="nav-text">{nameOf(page)}</span>
            </a>
          ),
        )}
        {there.length > shown.value && (
          <Menu button={<span class="nav-text">{say("nav.more")} ▾</span>} label={say("nav.more")} class="nav-item">
            {() => <Links home={home} pages={flat(there.slice(shown.value))} />}
          </Menu>
        )}
        <a class="nav-item here" aria-current="page" href="#">
          <span class="nav-text">{say("title")}</span>
        </a>
      </nav>
    </>
  );
}
