import { type ReadonlySignal, effect, signal } from "@preact/signals";

/** Something that is fetched: the last value stays until the next one is here, so that nothing jumps. */
interface Loaded<Value> {
  value: Value | null;
  /** What the value was asked by; differs from the present question while the next value is on its way. */
  key: string;
  loading: boolean;
  error: Error | null;
}

/** Counts up when what failed is to be asked for again. */
export const retries = signal(0);

export interface Resource<Value> extends ReadonlySignal<Loaded<Value>> {
  dispose(): void;
}

/**
 * Fetch whenever what it depends on changes.
 *
 * @param ask Reads signals and says what to fetch; null for nothing, which empties the value. An answer that comes after the next
 *   question is dropped.
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
