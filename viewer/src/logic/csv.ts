export type Cell = string | number | null | undefined;

const FORMULA = /^[=+\-@\t\r]/;
const NUMBER = /^[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?$/i;

/**
 * Write a cell of a CSV file.
 *
 * Spreadsheets execute a text that begins with = + - @ as a formula, so it is preceded by an apostrophe, which marks a
 * text in spreadsheets. Numbers remain numbers.
 */
export function csvCell(value: Cell): string {
  if (value === null || value === undefined) return "";
  if (typeof value === "number") return Number.isFinite(value) ? String(value) : "";
  const text = FORMULA.test(value) && !NUMBER.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** Write a CSV file with a byte order mark, so that spreadsheets read it as UTF-8. */
export function toCsv(header: string[], rows: Cell[][]): string {
  return `\uFEFF${[header, ...rows].map((row) => row.map(csvCell).join(",")).join("\r\n")}\r\n`;
}

/** Write a TSV file for TensorBoard's projector: without quotes, so tabs and line ends become spaces. */
export function toTsv(header: string[] | null, rows: Cell[][]): string {
  const cell = (value: Cell): string => String(value ?? "").replace(/[\t\r\n]+/g, " ");
  return `${[...(header ? [header] : []), ...rows].map((row) => row.map(cell).join("\t")).join("\n")}\n`;
}
