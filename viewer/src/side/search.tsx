/** Search, selection and pins of words. */
import {
  MANY_PINS,
  change,
  choose,
  clearSelection,
  focus,
  hovered,
  matches,
  pinAll,
  pins,
  say,
  togglePin,
  view,
} from "../state";
import { IconButton, Section } from "../parts/ui";

const SHOWN = 60;

export const SEARCH_ID = "search-box";

/** Word in a list: click to focus it, hover to find it on the maps. */
export function Word({ label, children }: { label: string; children?: preact.ComponentChildren }) {
  const pinned = pins.value.includes(label);
  return (
    <li
      class={`word ${focus.value === label ? "chosen" : ""}`}
      onPointerEnter={() => (hovered.value = label)}
      onPointerLeave={() => (hovered.value = null)}
    >
      <button type="button" class="word-name" aria-current={focus.value === label} onClick={() => choose(label)}>
        {label}
      </button>
      {children}
      <IconButton
        icon="pin"
        class="pin"
        pressed={pinned}
        label={say(pinned ? "unpin" : "pin", { label })}
        onClick={() => togglePin(label)}
      />
    </li>
  );
}

export function Search() {
  const { query, regex, selected } = view.value;
  const { labels, error } = matches.value;
  return (
    <>
      <Section title={say("search")}>
        <div class="search-line">
          <input
            id={SEARCH_ID}
            type="search"
            value={query}
            placeholder={say("search.hint")}
            aria-label={say("search")}
            aria-describedby="search-told"
            spellcheck={false}
            onInput={(event) => change({ query: event.currentTarget.value })}
            onKeyDown={(event) => {
              if (event.key === "Enter" && labels[0] !== undefined) choose(labels[0]);
            }}
          />
          <button
            type="button"
            class="regex"
            aria-pressed={regex}
            aria-label={say("search.regex")}
            title={say("search.regex")}
            onClick={() => change({ regex: !regex })}
          >
            .*
          </button>
        </div>
        <div class="told" id="search-told" role="status">
          {query.trim() &&
            (error
              ? say("search.bad", { error })
              : labels.length
                ? say("search.found", { n: labels.length })
                : say("search.none"))}
          {query.trim() && labels.length > 0 && (
            <button type="button" class="link" onClick={() => pinAll(labels)}>
              {labels.length > MANY_PINS ? say("search.pin-first", { n: MANY_PINS }) : say("search.pin-all")}
            </button>
          )}
        </div>
        {query.trim() && labels.length > 0 && (
          <ul class="words results" aria-label={say("search.results")}>
            {labels.slice(0, SHOWN).map((label) => (
              <Word key={label} label={label} />
            ))}
            {labels.length > SHOWN && <li class="more">{say("search.more", { n: labels.length - SHOWN })}</li>}
          </ul>
        )}
      </Section>
      {selected.length > 1 && (
        <div class="told picked" role="status" data-selected={selected.length}>
          <strong>{say("selected", { n: selected.length })}</strong>
          <button type="button" class="link" onClick={() => pinAll(selected)}>
            {selected.length > MANY_PINS ? say("search.pin-first", { n: MANY_PINS }) : say("selected.pin")}
          </button>
          <button type="button" class="link" onClick={clearSelection}>
            {say("selected.clear")}
          </button>
        </div>
      )}
      {pins.value.length > 0 && (
        <Section
          title={say("pins")}
          note={
            <button type="button" class="link" onClick={() => change({ pins: [] })}>
              {say("pins.clear")}
            </button>
          }
        >
          <ul class="words pins" aria-label={say("pins")}>
            {pins.value.map((label) => (
              <Word key={label} label={label} />
            ))}
          </ul>
        </Section>
      )}
    </>
  );
}
