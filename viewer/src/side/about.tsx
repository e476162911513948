/** Origin of the data of a file: notes, metrics, parameters, versions and licenses. */
import { Section, figure } from "../parts/ui";
import type { About } from "../source/types";
import { nameOf, say } from "../state";

/** ID of the element with the licenses of the page's libraries. */
const LICENSES_ID = "licenses";

export function AboutFile({ about }: { about: About }) {
  const licenses = document.getElementById(LICENSES_ID)?.textContent;
  return (
    <Section title={say("about")}>
      {about.notes.map((note) => (
        <p class="quiet" key={note}>
          {note}
        </p>
      ))}
      <Facts title={say("about.scalars")} of={named(about.scalars)} />
      <Facts title={say("about.counters")} of={named(about.counters)} />
      <Facts title={say("about.parameters")} of={Object.entries(about.parameters).map(parameter)} />
      <Facts title={say("about.versions")} of={Object.entries(about.versions)} />
      {licenses && (
        <details class="about">
          <summary>{say("about.licenses")}</summary>
          <pre>{licenses}</pre>
        </details>
      )}
    </Section>
  );
}

const named = (numbers: Record<string, number>): [string, string][] =>
  Object.entries(numbers).map(([name, value]) => [nameOf(name), figure(value)]);

function parameter([name, value]: [string, unknown]): [string, string] {
  const one = (part: unknown): string => (typeof part === "number" ? figure(part) : String(part ?? "–"));
  const text = Array.isArray(value) ? value.map((part) => (Array.isArray(part) ? part.join(" ") : one(part))).join(", ") : one(value);
  return [name.replaceAll("_", " "), text || "–"];
}

function Facts({ title, of }: { title: string; of: [string, string][] }) {
  if (!of.length) return null;
  return (
    <details class="about">
      <summary>{title}</summary>
      <dl>
        {of.map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
    </details>
  );
}
