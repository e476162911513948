/** Findings and alerts with links to their rows and steps. */
import { effect, signal } from "@preact/signals";
import { useMemo } from "preact/hooks";
import { source } from "../source";
import { resource } from "../state/resource";
import {
  active,
  alerts,
  choose,
  goTo,
  language,
  playing,
  say,
  scrubbing,
  selectMany,
  told,
} from "../state";
import type { At, Finding } from "../source/types";
import { Icon, Section, figure, severity } from "../parts/ui";

export function Alerts() {
  const found = alerts.value.value ?? [];
  const many = new Set(found.map(({ run }) => run)).size > 1;
  return (
    <Section title={say("alerts")} note={found.length ? figure(found.length) : undefined}>
      {!found.length && <p class="quiet">{say("alerts.none")}</p>}
      <ul class="alerts">
        {found.map((alert, i) => (
          <li key={i} class={alert.severity}>
            <button type="button" onClick={() => goTo(alert.step)}>
              <Icon name="flag" />
              <span class="grow">
                {many && <small>{alert.run} </small>}
                {told(alert)}
              </span>
              <span class="number">{figure(alert.step)}</span>
            </button>
          </li>
        ))}
      </ul>
    </Section>
  );
}

const REST_MS = 400;
/** Snapshot at which the view has stayed: detectors are slow, so steps passed by the slider are not requested. */
const rested = signal<At | null>(null);
/** Start to track where the view stays. */
export function startResting(): void {
  let timer = 0;
  effect(() => {
    const at = active.value?.at.value ?? null;
    clearTimeout(timer);
    if (playing.value || scrubbing.value) return;
    timer = window.setTimeout(() => (rested.value = at), rested.peek() ? REST_MS : 0);
  });
}

export function Findings() {
  const found = useMemo(
    () =>
      resource(() => {
        const at = rested.value;
        return at && { key: `${at.run}\n${at.table}\n${at.step}`, load: () => source.findings(at) };
      }),
    [],
  );
  const model = active.value;
  if (!model) return null;
  const { run, table } = model.spec.value;
  const { loading } = found.value;
  // Row numbers are valid in this table only.
  const value = rested.value?.run === run && rested.value.table === table ? found.value.value : null;
  return (
    <Section title={say("findings")} note={value?.length ? figure(value.length) : undefined}>
      {loading && !value && <p class="quiet">{say("findings.wait")}</p>}
      {value && !value.length && <p class="quiet">{say("findings.none")}</p>}
      {value?.map((finding) => (
        <Found key={`${finding.kind} ${finding.title}`} finding={finding} />
      ))}
    </Section>
  );
}

function Found({ finding }: { finding: Finding }) {
  const zh = language.value === "zh";
  const [title, evidence, causes, next, remedies] = zh
    ? [finding.title_zh, finding.evidence_zh, finding.causes_zh, finding.next_check_zh, finding.remedies_zh]
    : [finding.title, finding.evidence, finding.causes, finding.next_check, finding.remedies];
  const rows = active.value?.rows.value.value;
  const show = (): void => selectMany(finding.row_indices.flatMap((row) => rows?.labels[row] ?? []));
  return (
    <details class={`finding ${finding.severity}`}>
      <summary>
        <span class="badge">{severity(finding.severity)}</span> {title}
      </summary>
      <p>{evidence}</p>
      {finding.details.length > 0 && (
        <ul class="details">
          {finding.details.slice(0, 8).map((line) => (
            <li key={line}>{line}</li>
          ))}
        </ul>
      )}
      {finding.labels.length > 0 && (
        <p class="chips">
          {finding.labels.map((label) => (
            <button type="button" class="chip" key={label} onClick={() => choose(label)}>
              {label}
            </button>
          ))}
        </p>
      )}
      {finding.row_indices.length > 1 && (
        <button type="button" class="link" onClick={show}>
          {say("findings.map", { n: finding.row_indices.length })}
        </button>
      )}
      <Sentences title={say("findings.causes")} of={causes} />
      {next && (
        <>
          <h3>{say("findings.next")}</h3>
          <p>{next}</p>
        </>
      )}
      <Sentences title={say("findings.remedies")} of={remedies} />
    </details>
  );
}

function Sentences({ title, of }: { title: string; of: string[] }) {
  if (!of.length) return null;
  return (
    <>
      <h3>{title}</h3>
      <ul class="details">
        {of.map((sentence) => (
          <li key={sentence}>{sentence}</li>
        ))}
      </ul>
    </>
  );
}
