/** Slider and playback of steps. */
import { alerts, change, goTo, live, move, play, playing, refresh, say, scrubbing, stepNow, timeline, told, view } from "../state";
import { nearestStep } from "../logic/steps";
import { Icon, IconButton, Select, Toggle, figure } from "./ui";
import { SPEEDS } from "../logic/view";

export function Timeline() {
  const steps = timeline.value;
  const step = stepNow.value;
  const at = step === null ? 0 : steps.indexOf(step);
  const last = Math.max(0, steps.length - 1);
  const share = (i: number): number => (last ? i / last : 0);
  return (
    <div class="timeline" role="group" aria-label={say("step.slider")}>
      <div class="buttons">
        <IconButton icon="previous" label={say("step.previous")} disabled={at <= 0} onClick={() => move(-1)} />
        <IconButton
          icon={playing.value ? "pause" : "play"}
          class="play"
          label={say(playing.value ? "pause" : "play")}
          disabled={steps.length < 2}
          onClick={() => play()}
        />
        <IconButton icon="next" label={say("step.next")} disabled={at >= last} onClick={() => move(1)} />
      </div>
      <span class="end">{figure(steps[0])}</span>
      <div class="slider">
        <div class="flags">
          {(alerts.value.value ?? []).map((alert, i) => {
            const place = steps.indexOf(nearestStep(steps, alert.step) ?? NaN);
            const label = say("alerts.at", { step: figure(alert.step), message: told(alert) });
            return (
              place >= 0 && (
                <button
                  type="button"
                  key={i}
                  class={`flag ${alert.severity}`}
                  style={{ "--at": share(place) }}
                  title={label}
                  aria-label={label}
                  onClick={() => goTo(steps[place]!)}
                >
                  <Icon name="flag" />
                </button>
              )
            );
          })}
        </div>
        <input
          type="range"
          class="steps"
          min={0}
          max={last}
          value={at}
          disabled={steps.length < 2}
          aria-label={say("step.slider")}
          aria-valuetext={step === null ? "" : say("step.of", { step: figure(step), i: at + 1, n: steps.length })}
          style={{ "--done": share(at) }}
          onPointerDown={() => {
            scrubbing.value = true;
            playing.value = false;
          }}
          onPointerUp={() => (scrubbing.value = false)}
          onPointerCancel={() => (scrubbing.value = false)}
          onInput={(event) => goTo(steps[Number(event.currentTarget.value)] ?? null)}
        />
        {steps.length > 1 && steps.length <= 80 && (
          <div class="ticks" aria-hidden="true">
            {steps.map((s, i) => (
              <i key={s} style={{ "--at": share(i) }} />
            ))}
          </div>
        )}
      </div>
      <span class="end">{figure(steps.at(-1))}</span>
      <output class="now" data-step={step}>
        {step === null ? "–" : say("step.n", { step: figure(step) })}
      </output>
      <Select
        value={String(view.value.speed)}
        label={say("speed")}
        options={SPEEDS.map((speed) => ({ value: String(speed), label: `${speed}×` }))}
        onChange={(speed) => change({ speed: Number(speed) })}
      />
      <Toggle
        on={live.value}
        label={say("live")}
        hint={say("live.hint")}
        onChange={(on) => {
          live.value = on;
          if (on) void refresh();
        }}
      />
    </div>
  );
}
