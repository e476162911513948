/** Navigation bar of VisualDL, or title of a file; then help, theme and language. */
import { source } from "../source";
import type { About } from "../source/types";
import { type Theme, chooseLanguage, chooseTheme, language, refresh, say, theme } from "../state";
import { Nav } from "./nav";
import { Icon, Menu } from "./ui";

/** Facts about the content of the file. */
function Title({ about }: { about: About }) {
  const facts = (language.value === "zh" ? about.facts_zh : about.facts).join(" · ");
  return (
    <div class="title">
      <span class="title-name">{about.title}</span>
      <span class="title-facts" title={facts}>
        {facts}
      </span>
    </div>
  );
}

export function Bar({ onHelp }: { onHelp: () => void }) {
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
      {source.visualdl && <Nav {...source.visualdl} />}
      {source.about && <Title about={source.about} />}
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
          onClick={() => chooseLanguage(other)}
        >
          <span class={language.value === "zh" ? "on" : ""}>中</span>
          <i />
          <span class={language.value === "en" ? "on" : ""}>En</span>
        </button>
        {source.abilities.live && (
          <button
            type="button"
            class="nav-item"
            title={say("refresh")}
            aria-label={say("refresh")}
            onClick={() => void refresh(true)}
          >
            <Icon name="refresh" />
          </button>
        )}
      </div>
    </header>
  );
}
