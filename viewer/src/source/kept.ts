/** Bounded cache of unchanging answers; the least recently used ones are dropped first. */
export class Kept {
  private readonly entries = new Map<string, { value: Promise<unknown>; bytes: number }>();
  private bytes = 0;
  constructor(private readonly room: number) {}

  get<Value>(key: string, load: () => Promise<Value>, bytesOf: (value: Value) => number): Promise<Value> {
    const found = this.entries.get(key);
    if (found) {
      this.entries.delete(key);
      this.entries.set(key, found);
      return found.value as Promise<Value>;
    }
    const entry = { value: load(), bytes: 0 };
    this.entries.set(key, entry);
    entry.value.then(
      (value) => {
        entry.bytes = bytesOf(value);
        this.bytes += entry.bytes;
        for (const [old, { bytes }] of this.entries) {
          if (this.bytes <= this.room || old === key) break;
          this.entries.delete(old);
          this.bytes -= bytes;
        }
      },
      () => this.entries.get(key) === entry && this.entries.delete(key),
    );
    return entry.value;
  }

  clear(): void {
    this.entries.clear();
    this.bytes = 0;
  }
}
