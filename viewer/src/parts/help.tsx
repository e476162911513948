/** List of keys. */
import { signal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import type { Key } from "../logic/strings";
import { hasTime, say } from "../state";

export const helping = signal(false);

const STEP_KEYS: [string, Key][] = [
  ["Space", "help.space"],
  ["← →", "help.arrows"],
  ["Home End", "help.ends"],
];
const KEYS: [string, Key][] = [
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

export function Help() {
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
        {[...(hasTime.value ? STEP_KEYS : []), ...KEYS].map(([key, what]) => (
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
