import { type ReadonlySignal, effect, signal } from "@preact/signals";

/** Fetched value. The last value is kept until the next one arrives, so that the layout does not jump. */
interface Loaded<Value> {
  value: Value | null;
  /** Key of the value; differs from the current key while the next value is loading. */
  key: string;
  loading: boolean;
  error: Error | null;
}

/** Incremented to repeat failed requests. */
export const retries = signal(0);

export interface Resource<Value> extends ReadonlySignal<Loaded<Value>> {
  dispose(): void;
}

/**
 * Fetch a value again whenever its dependencies change.
 *
 * @param ask Reads signals and returns the request; null to empty the value. Answers to outdated requests are
 *   dropped.
 */
export function resource<Value>(ask: () => { key: string; load: () => Promise<Value> } | null): Resource<Value> {
  const state = signal<Loaded<Value>>({ value: null, key: "", loading: false, error: null });
  let asked: string | null = null;
  const dispose = effect(() => {
    void retries.value;
    const question = ask();
    if (!question) {
      asked = null;
      if (state.peek().value !== null || state.peek().error)
        state.value = { value: null, key: "", loading: false, error: null };
      return;
    }
    const { key, load } = question;
    if (key === asked) return;
    asked = key;
    state.value = { ...state.peek(), loading: true };
    load().then(
      (value) => {
        if (key === asked) state.value = { value, key, loading: false, error: null };
      },
      (error: unknown) => {
        if (key !== asked) return;
        asked = null;
        state.value = {
          ...state.peek(),
          loading: false,
          error: error instanceof Error ? error : new Error(String(error)),
        };
      },
    );
  });
  return Object.assign(state as ReadonlySignal<Loaded<Value>>, { dispose });
}
