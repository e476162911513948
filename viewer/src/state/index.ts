/** State of the page: signals and the functions that change them. */
export * from "./alerts";
export * from "./choices";
export * from "./panels";
export * from "./session";
export * from "./settings";
export * from "./store";
export * from "./time";
export * from "./words";
