/** The state of the page: signals that everything else reads, and what changes them. */
export * from "./alerts";
export * from "./choices";
export * from "./panels";
export * from "./session";
export * from "./settings";
export * from "./store";
export * from "./time";
export * from "./words";
