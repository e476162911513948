// The two columns beside the maps.

function drawHeader() {
  $("title").textContent = data.title;
  const facts = [
    data.model, say("rows", { n: count(data.n), all: count(data.numRows) }), say("dimensions", { n: count(data.dim) }),
    say(data.distance), `${say("seed")} ${data.seed}`,
  ];
  $("facts").textContent = facts.join(" · ");
  $("facts").title = data.how;
}

function drawSwitch(id, options, current, choose) {
  $(id).replaceChildren(...options.map(([value, text]) =>
    make("button", { type: "button", "aria-pressed": String(value === current), on: { click: () => choose(value) } }, text)));
}

function drawColorSelect() {
  const names = [...data.colorings.map((coloring) => coloring.name), "trustworthiness"];
  $("color").replaceChildren(...names.map((name) =>
    make("option", { value: name, selected: name === state.color }, known(name) ? say(name) : name)));
}

function drawLegend(page) {
  const coloring = state.color === "trustworthiness" ? trustScale : coloringOf(state.color);
  if (!coloring) return $("legend").replaceChildren();
  if (coloring.kind === "number") {
    const ramp = make("div", { className: "ramp" });
    ramp.style.background = `linear-gradient(90deg, ${data.ramp.join(",")})`;
    const ends = make("div", { className: "ends" }, make("span", {}, figure(coloring.low)), make("span", {}, figure(coloring.high)));
    const help = data.strings[`${coloring.name}-help`] ? make("p", { className: "quiet" }, say(`${coloring.name}-help`)) : null;
    return $("legend").replaceChildren(...[ramp, ends, help].filter(Boolean));
  }
  const lines = coloring.names.slice(0, coloring.own).map((_, code) => [code, groupName(coloring, code), coloring.colors[code], coloring.counts[code]]);
  const rest = coloring.names.length - coloring.own;
  if (rest > 0) lines.push(["others", say("others", { n: rest }), data.others, coloring.counts.slice(coloring.own).reduce((a, b) => a + b, 0)]);
  if (coloring.none) lines.push([-1, say("no-group"), theme.none, coloring.none]);
  const list = make("ul", { className: "rows" }, ...lines.map(([code, name, color, n]) => {
    const dot = make("span", { className: "dot" });
    dot.style.background = color;
    const click = (event) => page.toggle(code, event.altKey || event.shiftKey, lines.map((line) => line[0]));
    return make("li", {}, make("button", {
      type: "button", className: state.off.has(code) ? "off" : "", "aria-pressed": String(!state.off.has(code)),
      on: { click, dblclick: () => page.toggle(code, true, lines.map((line) => line[0])) },
    }, dot, make("bdi", { className: "word" }, name), make("span", { className: "number" }, count(n))));
  }));
  $("legend").replaceChildren(list);
}

function drawViewList(page) {
  const full = state.views.size >= 6;
  $("views").replaceChildren(...data.views.map((view) => {
    const on = state.views.has(view.key);
    const box = make("input", {
      type: "checkbox", checked: on, disabled: !on && full, on: { change: () => page.showView(view.key, !on) },
    });
    const trust = view.numbers.trustworthiness;
    return make("label", { title: !on && full ? say("most-views") : parameterText(view) }, box,
      make("span", { className: "word" }, viewLabel(view)),
      make("span", { className: "quiet" }, trust === undefined ? "" : trust.toFixed(2)));
  }));
}

function rowButton(row, page, ...more) {
  return make("li", {}, make("button", {
    type: "button",
    on: { click: () => page.pin(row), mouseenter: () => page.point(row), focus: () => page.point(row) },
  }, make("bdi", { className: "word" }, data.labels[row]), ...more));
}

function drawMatches(found, page) {
  $("matches-said").textContent = found === null ? "" : found.length ? say("matches", { n: count(found.length) }) : say("no-match");
  $("matches").replaceChildren(...(found ?? []).slice(0, 50).map((row) => rowButton(row, page)));
}

function factsOf(row) {
  const facts = [[say("id"), data.ids[row] >= 0 ? count(data.ids[row]) : say("composed")]];
  for (const coloring of data.colorings) {
    const name = known(coloring.name) ? say(coloring.name) : coloring.name;
    if (coloring.kind === "number") {
      if (Number.isFinite(coloring.values[row])) facts.push([name, figure(coloring.values[row])]);
    } else if (coloring.codes[row] >= 0) facts.push([name, groupName(coloring, coloring.codes[row])]);
  }
  for (const { name, values } of data.texts) if (values[row]) facts.push([name, values[row]]);
  return facts;
}

function drawWord(page) {
  const row = state.focus;
  $("word").classList.toggle("empty", row === null);
  if (row === null) return $("word").replaceChildren(make("p", { className: "quiet" }, say("hint")));
  const facts = make("dl", { className: "facts" });
  for (const [name, value] of factsOf(row)) facts.append(make("dt", {}, name), make("dd", {}, make("bdi", {}, value)));
  const doubts = data.views.filter((view) => view.doubtful.some((cluster) => cluster.includes(row)));
  const list = neighborsOf(row).map(({ row: other, cosine }) => {
    const fill = make("i");
    fill.style.width = `${Math.max(0, Math.min(1, cosine)) * 100}%`;
    return rowButton(other, page, make("span", { className: "bar" }, fill), make("span", { className: "number" }, cosine.toFixed(2)));
  });
  $("word").replaceChildren(
    make("h3", {}, make("bdi", { className: "word" }, data.labels[row])), facts,
    ...doubts.map((view) => make("p", { className: "doubt" }, say("doubt", { view: viewLabel(view) }))),
    make("h2", {}, say("neighbors")), make("ul", { className: "rows" }, ...list),
  );
}

function drawPins(page) {
  if (!state.pins.length) return $("pinned").replaceChildren();
  $("pinned").replaceChildren(make("h2", {}, say("pinned")), make("ul", {}, ...state.pins.map((row) =>
    make("li", {}, make("button", {
      type: "button", className: "chip", title: say("unpin"), on: { click: () => page.pin(row), mouseenter: () => page.point(row) },
    }, make("bdi", { className: "word" }, data.labels[row]), " ×")))));
}

function drawFindings(page) {
  const cards = data.findings.map((finding, i) => {
    const open = state.finding === i;
    const text = (name) => finding[name][state.language];
    const title = make("button", { type: "button", "aria-expanded": String(open), on: { click: () => page.openFinding(open ? null : i) } },
      finding.rows.length ? make("span", { className: "count" }, count(finding.rows.length)) : null, text("title"));
    const card = make("article", { className: `card ${finding.severity}` }, title);
    if (!open) return card;
    const list = (lines, className) => make("ul", { className }, ...lines.map((line) => make("li", {}, make("bdi", {}, line))));
    card.append(make("div", { className: "more" },
      make("p", {}, text("evidence")),
      finding.details.length ? list(finding.details, "details") : null,
      make("p", { className: "head" }, say("causes")), list(text("causes")),
      make("p", { className: "head" }, say("next")), make("p", {}, text("next")),
      ...(text("remedies").length ? [make("p", { className: "head" }, say("remedies")), list(text("remedies"))] : [])));
    return card;
  });
  $("findings").replaceChildren(...(cards.length ? cards : [make("p", { className: "quiet" }, say("no-findings"))]));
}

function drawAbout() {
  const table = (title, values) => {
    const entries = Object.entries(values);
    if (!entries.length) return [];
    const lines = entries.map(([name, value]) => {
      const shown = typeof value === "number" ? figure(value) : Array.isArray(value) ? value.join(", ") : String(value ?? "–");
      return make("li", { title: data.metrics[name]?.[state.language] }, `${name.replaceAll("_", " ")}: `, make("bdi", {}, shown));
    });
    return [make("h2", {}, say(title)), make("ul", {}, ...lines)];
  };
  $("notes").replaceChildren(
    make("p", {}, `${say("how")}: ${data.how}`), ...data.notes.map((note) => make("p", {}, note)),
    ...table("space", data.scalars), ...table("whole-table", data.counters), ...table("parameters", data.parameters),
    ...table("versions", data.versions),
  );
}
