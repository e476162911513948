// regl-scatterplot comes with its own dependencies inside; the bundler, which lists licenses, does not see those.
import { appendFileSync, readFileSync, readdirSync } from "node:fs";

const INSIDE = ["@flekschas/utils", "camera-2d-simple", "dom-2d-camera", "earcut", "gl-matrix", "regl-line"];
const list = new URL("../visualdl_embedding/server/static/assets/licenses.md", import.meta.url);

for (const name of INSIDE) {
  const folder = new URL(`node_modules/${name}/`, import.meta.url);
  const { version, license } = JSON.parse(readFileSync(new URL("package.json", folder), "utf8"));
  const file = readdirSync(folder).find((entry) => /^licen[cs]e/i.test(entry));
  const text = file ? readFileSync(new URL(file, folder), "utf8").trim() : `License: ${license}`;
  appendFileSync(list, `\n## ${name} - ${version} (${license})\n\n${text}\n`);
}
