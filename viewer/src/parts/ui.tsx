/** Small components used by all others. */
import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { say } from "../state";
import { type Key, isKey } from "../logic/strings";

const PATHS = {
  play: "M5 3v10l8-5z",
  pause: "M4 3h3v10H4zM9 3h3v10H9z",
  previous: "M12 3v10L5.5 8zM3.5 3h1.6v10H3.5z",
  next: "M4 3v10l6.5-5zM10.9 3h1.6v10h-1.6z",
  close: "M3.6 2.6 8 7l4.4-4.4 1 1L9 8l4.4 4.4-1 1L8 9l-4.4 4.4-1-1L7 8 2.6 3.6z",
  plus: "M7.3 2.5h1.4v4.8h4.8v1.4H8.7v4.8H7.3V8.7H2.5V7.3h4.8z",
  pin: "M5 1.5h6v1.3l-.9.6v3l2.4 2.6v1.2H8.7V14L8 15l-.7-1v-3.8H3.5V9l2.4-2.6v-3L5 2.8z",
  lasso:
    "M8 2C4.6 2 2 3.8 2 6.2c0 1.4.9 2.6 2.3 3.3-.2.3-.3.7-.3 1.1 0 1 .8 1.8 1.8 1.8.1 1 .9 1.6 2.2 1.6v-1.2c-.7 0-1-.2-1-.6.4-.3.6-.8.6-1.3v-.5H8c3.4 0 6-1.8 6-4.2S11.4 2 8 2zm0 1.3c2.7 0 4.7 1.3 4.7 2.9S10.7 9.1 8 9.1c-.3 0-.6 0-.9-.1-.4-.3-.8-.4-1.3-.4C4.3 8.1 3.3 7.2 3.3 6.2 3.3 4.6 5.3 3.3 8 3.3z",
  move: "M8 1l2.2 2.6H8.7v3.7h3.7V5.8L15 8l-2.6 2.2V8.7H8.7v3.7h1.5L8 15l-2.2-2.6h1.5V8.7H3.6v1.5L1 8l2.6-2.2v1.5h3.7V3.6H5.8z",
  fit: "M2 2h4v1.3H3.3V6H2zM10 2h4v4h-1.3V3.3H10zM2 10h1.3v2.7H6V14H2zM12.7 10H14v4h-4v-1.3h2.7z",
  flag: "M3.5 1.5h1.2v1h7.8l-2 2.8 2 2.7H4.7v6.5H3.5z",
  search:
    "M6.8 2a4.8 4.8 0 0 1 3.8 7.7l3.2 3.2-.9.9-3.2-3.2A4.8 4.8 0 1 1 6.8 2zm0 1.3a3.5 3.5 0 1 0 0 7 3.5 3.5 0 0 0 0-7z",
  refresh: "M13.5 2.5v4H9.6l1.5-1.5A4.3 4.3 0 1 0 12.2 9h1.4A5.7 5.7 0 1 1 12 4z",
  help: "M8 1.5a6.5 6.5 0 1 1 0 13 6.5 6.5 0 0 1 0-13zm0 1.3a5.2 5.2 0 1 0 0 10.4A5.2 5.2 0 0 0 8 2.8zM7.4 10.6h1.3v1.3H7.4zM8 4.3c1.4 0 2.4.9 2.4 2.1 0 .9-.5 1.4-1.1 1.9-.5.4-.6.6-.6 1.1v.3H7.4v-.4c0-1 .4-1.5 1-2 .5-.4.7-.6.7-1 0-.5-.4-.8-1.1-.8s-1.1.4-1.2 1H5.6C5.7 5.2 6.6 4.3 8 4.3z",
  export: "M7.4 1.8h1.2v6.3l2.2-2.2.9.9L8 10.5 4.3 6.8l.9-.9 2.2 2.2zM2.5 10.5h1.3v2.2h8.4v-2.2h1.3V14h-11z",
  theme:
    "M8 1.7a6.3 6.3 0 1 0 .1 12.6c1 0 1.5-.7 1.3-1.5-.2-.7-.6-1.1-.6-1.7 0-.7.6-1.2 1.3-1.2h1.7c1.5 0 2.5-1 2.5-2.4C14.3 4.2 11.5 1.7 8 1.7zM4.6 8.8a.9.9 0 1 1 0-1.8.9.9 0 0 1 0 1.8zm1.8-3a.9.9 0 1 1 0-1.8.9.9 0 0 1 0 1.8zm3.4 0a.9.9 0 1 1 0-1.8.9.9 0 0 1 0 1.8zm2.1 2.6a.9.9 0 1 1 0-1.8.9.9 0 0 1 0 1.8z",
} as const;

export const Icon = ({ name }: { name: keyof typeof PATHS }) => (
  <svg class="icon" viewBox="0 0 16 16" width="16" height="16" aria-hidden="true" focusable="false">
    <path d={PATHS[name]} fill="currentColor" fill-rule="evenodd" />
  </svg>
);

interface ButtonProps {
  icon: keyof typeof PATHS;
  label: string;
  onClick: () => void;
  pressed?: boolean;
  disabled?: boolean;
  class?: string;
}
/** Icon button with a label for tooltips and screen readers. */
export const IconButton = ({ icon, label, onClick, pressed, disabled, class: extra = "" }: ButtonProps) => (
  <button
    type="button"
    class={`icon-button ${extra}`}
    title={label}
    aria-label={label}
    aria-pressed={pressed}
    disabled={disabled}
    onClick={onClick}
  >
    <Icon name={icon} />
  </button>
);

export const Toggle = ({
  on,
  label,
  onChange,
  hint,
}: {
  on: boolean;
  label: string;
  onChange: (on: boolean) => void;
  hint?: string;
}) => (
  <label class="toggle" title={hint}>
    <input type="checkbox" checked={on} onChange={(event) => onChange(event.currentTarget.checked)} />
    <span>{label}</span>
  </label>
);

export interface Option {
  value: string;
  label: string;
  group?: string;
  disabled?: boolean;
}
interface SelectProps {
  value: string;
  options: Option[];
  label: string;
  onChange: (value: string) => void;
  class?: string;
  title?: string;
}
export function Select({ value, options, label, onChange, class: extra = "", title }: SelectProps) {
  const groups = [...new Set(options.map(({ group }) => group))];
  const list = (of: Option[]) =>
    of.map(({ value: v, label, disabled }) => (
      <option key={v} value={v} selected={v === value} disabled={disabled}>
        {label}
      </option>
    ));
  return (
    <select
      class={extra}
      aria-label={label}
      title={title ?? label}
      value={value}
      onChange={(event) => onChange(event.currentTarget.value)}
    >
      {groups.map((group) => {
        const of = options.filter((option) => option.group === group);
        return group ? (
          <optgroup key={group} label={group}>
            {list(of)}
          </optgroup>
        ) : (
          list(of)
        );
      })}
    </select>
  );
}

/** Group of a few choices. */
export const Segments = ({ value, options, label, onChange }: Omit<SelectProps, "class">) => (
  <div class="segments" role="group" aria-label={label}>
    {options.map((option) => (
      <button
        type="button"
        key={option.value}
        aria-pressed={option.value === value}
        disabled={option.disabled}
        onClick={() => onChange(option.value)}
      >
        {option.label}
      </button>
    ))}
  </div>
);

/** Section with a heading. */
export const Section = ({
  title,
  note,
  children,
}: {
  title: string;
  note?: ComponentChildren;
  children: ComponentChildren;
}) => (
  <section class="section">
    <h2>
      {title}
      {note !== undefined && <span class="note">{note}</span>}
    </h2>
    {children}
  </section>
);

/** Button with a menu, which closes on Escape, a click elsewhere, or a choice. */
export function Menu({
  button,
  label,
  children,
  class: extra = "",
}: {
  button: ComponentChildren;
  label: string;
  children: (close: () => void) => ComponentChildren;
  class?: string;
}) {
  const [open, setOpen] = useState(false);
  const root = useRef<HTMLDivElement>(null);
  const opener = useRef<HTMLButtonElement>(null);
  useEffect(() => {
    if (!open) return;
    root.current?.querySelector<HTMLElement>(".menu-list button, .menu-list a, .menu-list input")?.focus();
    const outside = (event: Event): void => {
      if (!root.current?.contains(event.target as Node)) setOpen(false);
    };
    const key = (event: KeyboardEvent): void => {
      if (event.key !== "Escape") return;
      event.stopPropagation();
      setOpen(false);
      opener.current?.focus();
    };
    document.addEventListener("pointerdown", outside);
    root.current?.addEventListener("keydown", key);
    const held = root.current;
    return () => {
      document.removeEventListener("pointerdown", outside);
      held?.removeEventListener("keydown", key);
    };
  }, [open]);
  return (
    <div class={`menu ${extra}`} ref={root}>
      <button
        type="button"
        ref={opener}
        class="menu-button"
        aria-expanded={open}
        aria-label={label}
        title={label}
        onClick={() => setOpen(!open)}
      >
        {button}
      </button>
      {open && (
        <div class="menu-list">
          {children(() => {
            setOpen(false);
            opener.current?.focus();
          })}
        </div>
      )}
    </div>
  );
}

/** Button of a word. */
export const severity = (name: string): string => (isKey(`severity.${name}`) ? say(`severity.${name}` as Key) : name);

const whole = new Intl.NumberFormat("en");
/** Format a number. */
export function figure(value: number | null | undefined): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return "–";
  if (Number.isInteger(value)) return whole.format(value);
  const size = Math.abs(value);
  if (size >= 1000) return whole.format(Math.round(value));
  return size >= 0.01 ? String(Number(value.toPrecision(3))) : value.toPrecision(2);
}
