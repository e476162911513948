// What happens when: the one place that changes the state, and draws what depends on it.

const maps = new Map();

const page = {
  hover(row, event, map) {
    const tip = $("tip");
    if (row === null || row === undefined) {
      tip.hidden = true;
      state.hovering = false;
      return;
    }
    state.hovering = true;
    this.point(row);
    const coloring = coloringOf(state.color);
    const value = state.color === "trustworthiness" ? figure(map.view.trust[row])
      : !coloring ? "" : coloring.kind === "number" ? figure(coloring.values[row]) : groupName(coloring, coloring.codes[row]);
    tip.replaceChildren(make("bdi", { className: "word" }, data.labels[row]), make("div", { className: "quiet" }, value));
    tip.hidden = false;
    const x = Math.min((event?.clientX ?? 0) + 14, innerWidth - tip.offsetWidth - 4);
    const y = Math.min((event?.clientY ?? 0) + 16, innerHeight - tip.offsetHeight - 4);
    tip.style.left = `${x}px`;
    tip.style.top = `${y}px`;
  },
  point(row) {
    if (row === undefined || row === state.focus) return;
    state.focus = row;
    drawWord(this);
    overlays();
  },
  pin(row) {
    if (row === undefined || row === null) return;
    const at = state.pins.indexOf(row);
    if (at >= 0) state.pins.splice(at, 1);
    else state.pins.push(row);
    state.focus = row;
    drawPins(this);
    drawWord(this);
    overlays();
  },
  mark(marked) {
    state.marked = marked;
    if (marked?.why !== "finding") {
      state.finding = null;
      drawFindings(this);
    }
    if (marked?.why !== "search" && $("search").value) {
      $("search").value = "";
      drawMatches(null, this);
    }
    drawSaid();
    overlays();
  },
  openFinding(i) {
    state.finding = i;
    const rows = i === null ? [] : data.findings[i].rows;
    this.mark(rows.length ? { rows: new Set(rows), why: "finding" } : null);
    state.finding = i;
    drawFindings(this);
  },
  toggle(code, alone, all) {
    const only = alone && !all.every((other) => (other === code) !== state.off.has(other));
    if (alone) state.off = new Set(only ? all.filter((other) => other !== code) : []);
    else if (!state.off.delete(code)) state.off.add(code);
    drawLegend(this);
    drawSaid();
    for (const map of maps.values()) map.redraw();
  },
  showView(key, on) {
    if (on) state.views.add(key);
    else state.views.delete(key);
    drawViewList(this);
    arrange();
  },
};

function overlays() {
  for (const map of maps.values()) map.overlay();
}

function drawSaid() {
  const hidden = state.off.size ? data.n - mixed.reduce((n, row) => n + seen(row), 0) : 0;
  const parts = [];
  if (state.marked) {
    const found = state.finding === null ? null : data.findings[state.finding];
    parts.push(found ? found.title[state.language] : say(state.marked.why === "search" ? "matches" : "selected", { n: count(state.marked.rows.size) }));
  }
  if (hidden) parts.push(say("shown", { n: count(data.n - hidden), all: count(data.n) }));
  $("said").textContent = parts.join(" · ");
  $("clear").hidden = !parts.length && !state.pins.length && state.focus === null;
}

/** As many columns as make the maps largest. */
function bestColumns(n) {
  const { clientWidth: width, clientHeight: height } = $("maps");
  let best = 1, largest = 0;
  for (let columns = 1; columns <= Math.min(4, n); columns++) {
    const rows = Math.ceil(n / columns);
    const side = Math.min(width / columns, Math.max(320, height / rows) - 56);
    if (side > largest * 1.02) [best, largest] = [columns, side];
  }
  return best;
}

function arrange() {
  const wanted = data.views.filter((view) => state.views.has(view.key));
  for (const [key, map] of maps) {
    if (!state.views.has(key)) {
      map.stop();
      maps.delete(key);
    }
  }
  $("maps").style.gridTemplateColumns = `repeat(${state.columns || bestColumns(wanted.length)}, minmax(0, 1fr))`;
  const fresh = [];
  for (const view of wanted) {
    if (!maps.has(view.key)) {
      maps.set(view.key, new MapView(view, page));
      fresh.push(maps.get(view.key));
    }
    $("maps").append(maps.get(view.key).element);
  }
  return Promise.all(fresh.map((map) => map.start().catch((error) => {
    console.error(error);
    map.stage.replaceChildren(make("p", { className: "failed" }, say("not-drawn")));
  })));
}

function drawWords() {
  document.documentElement.lang = state.language === "zh" ? "zh-CN" : "en";
  for (const element of document.querySelectorAll("[data-say]")) element.textContent = say(element.dataset.say);
  $("search").placeholder = say("search");
  $("search").setAttribute("aria-label", say("search"));
  $("color").setAttribute("aria-label", say("color"));
  $("clear").textContent = say("clear");
  $("doubt-switch").hidden = !data.views.some((view) => view.doubtful.length);
  drawHeader();
  drawSwitch("language", [["zh", "中"], ["en", "En"]], state.language, (language) => { state.language = language; drawWords(); });
  drawTools();
  drawColorSelect();
  drawLegend(page);
  drawViewList(page);
  drawWord(page);
  drawPins(page);
  drawFindings(page);
  drawAbout();
  drawMatches($("search").value ? search($("search").value) : null, page);
  drawSaid();
  for (const map of maps.values()) if (map.ready) map.describe();
  overlays();
}

function drawTools() {
  drawSwitch("drag", [["pan", say("move")], ["lasso", say("lasso")], ["reset", say("reset")]], state.drag, (drag) => {
    if (drag === "reset") for (const map of maps.values()) map.reset();
    else {
      state.drag = drag;
      // Plotly compares with the layout that it was given: changed beforehand, it would see no change.
      for (const map of maps.values()) if (map.ready && !map.space) Plot.relayout(map.plot, { dragmode: drag });
    }
    drawTools();
  });
  $("columns").setAttribute("aria-label", say("columns"));
  $("columns").title = say("columns");
  drawSwitch("columns", [[0, say("auto")], [1, "1"], [2, "2"], [3, "3"], [4, "4"]], state.columns, (columns) => {
    state.columns = columns;
    drawTools();
    arrange();
  });
}

function clear() {
  $("search").value = "";
  state.finding = null;
  state.pins = [...data.watch];
  state.focus = null;
  const redraw = state.off.size > 0;
  state.off = new Set();
  page.mark(null);
  drawWords();
  if (redraw) for (const map of maps.values()) map.redraw();
}

function listen() {
  $("search").addEventListener("input", () => {
    const found = search($("search").value);
    drawMatches(found, page);
    page.mark(found === null ? null : { rows: new Set(found), why: "search" });
  });
  $("search").addEventListener("keydown", (event) => {
    const found = event.key === "Enter" ? search($("search").value) : null;
    if (found?.length && !state.pins.includes(found[0])) page.pin(found[0]);
  });
  $("color").addEventListener("change", () => {
    state.color = $("color").value;
    state.off = new Set();
    drawLegend(page);
    drawSaid();
    for (const map of maps.values()) map.redraw();
  });
  $("labels").addEventListener("change", () => { state.labels = $("labels").checked; overlays(); });
  $("doubt").addEventListener("change", () => { state.doubt = $("doubt").checked; overlays(); });
  $("clear").addEventListener("click", clear);
  addEventListener("keydown", (event) => {
    if (event.key === "Escape") clear();
    if (event.key === "/" && document.activeElement !== $("search")) { event.preventDefault(); $("search").focus(); }
  });
  addEventListener("resize", () => {
    clearTimeout(page.resizing);
    page.resizing = setTimeout(() => { if (!state.columns) arrange(); }, 150);
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    readTheme();
    drawLegend(page);
    for (const map of maps.values()) map.redraw();
  });
}

readTheme();
drawWords();
listen();
arrange().then(() => { document.documentElement.dataset.ready = "true"; });
