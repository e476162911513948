/** Switches of overlays. */
import { Section, Toggle } from "../parts/ui";
import { change, panels, say, timeline, view } from "../state";

export function Show() {
  const { labels, trails, links, density } = view.value;
  const represents = panels.value.some((panel) => panel.rows.value.value?.representative);
  return (
    <Section title={say("show")}>
      <div class="toggles">
        <Toggle
          on={labels}
          label={say(represents ? "labels.representative" : "labels")}
          {...(represents ? { hint: say("labels.hint") } : {})}
          onChange={(on) => change({ labels: on })}
        />
        {timeline.value.length > 1 && (
          <Toggle on={trails} label={say("trails")} onChange={(on) => change({ trails: on })} />
        )}
        <Toggle on={links} label={say("links")} onChange={(on) => change({ links: on })} />
        <Toggle on={density} label={say("density")} onChange={(on) => change({ density: on })} />
      </div>
    </Section>
  );
}
