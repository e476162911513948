/** Data source of this page: data inlined in the file if present, otherwise the server. */
import { DATA_ID, openInlined, readInlined } from "./inlined";
import { openServer } from "./server";
import type { Source } from "./source";

export { SourceError } from "./source";

const data = document.getElementById(DATA_ID);
export const source: Source = data ? openInlined(readInlined(data.textContent)) : openServer(location);
