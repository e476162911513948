export type Cell = string | number | null | undefined;

const FORMULA = /^[=+\-@\t\r]/;
const NUMBER = /^[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?$/i;

/**
 * Write a cell of a CSV file.
 *
 * A spreadsheet takes a text that begins with = + - @ for a formula and runs it; such a text gets an apostrophe before it,
 * which spreadsheets take for "this is text". Numbers stay numbers.
 */
export function csvCell(value: Cell): string {
  if (value === null || value === undefined) return "";
  if (typeof value === "number") return Number.isFinite(value) ? String(value) : "";
  const text = FORMULA.test(value) && !NUMBER.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** A CSV file, with the mark that makes spreadsheets read it as UTF-8. */
export function toCsv(header: string[], rows: Cell[][]): string {
  return `\uFEFF${[header, ...rows].map((row) => row.map(csvCell).join(",")).join("\r\n")}\r\n`;
}

/** A TSV file as TensorBoard's projector reads it: no quoting, so tabs and line ends become spaces. */
export function toTsv(header: string[] | null, rows: Cell[][]): string {
  const cell = (value: Cell): string => String(value ?? "").replace(/[\t\r\n]+/g, " ");
  return `${[...(header ? [header] : []), ...rows].map((row) => row.map(cell).join("\t")).join("\n")}\n`;
}
