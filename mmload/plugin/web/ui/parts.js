// What the tabs are made of: numbers as texts, tables, tiles, charts. All texts go in as texts, never as markup.

const NONE = "–";
const SVG = "http://www.w3.org/2000/svg";

export function el(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

export const count = (number) => (number == null ? NONE : number.toLocaleString("en"));

export function ms(number) {
  if (number == null) return NONE;
  return number < 10 ? number.toFixed(1) : Math.round(number).toLocaleString("en");
}

export const percent = (share) => (share == null ? NONE : `${(share * 100).toFixed(share < 0.1 ? 1 : 0)} %`);

export const when = (moment) => new Date(moment).toLocaleTimeString("en-GB");

export function section(title, ...children) {
  return el("section", {}, ...(title ? [el("h2", {}, title)] : []), ...children);
}

// A value is a text, or a pair of text and whether it is bad news (and why).
function cell(tag, value, attributes = {}) {
  const [text, bad, why] = Array.isArray(value) ? value : [value, false];
  const marks = bad ? { class: "bad", ...(why ? { title: why } : {}) } : {};
  return el(tag, { ...attributes, ...marks }, text);
}

export function tiles(values) {
  const pairs = Object.entries(values).map(([name, value]) => el("div", {}, el("dt", {}, name), cell("dd", value)));
  return el("dl", { class: "tiles" }, ...pairs);
}

export function table(head, rows) {
  const heads = head.map((text) => el("th", { scope: "col" }, text));
  const body = rows.map((row) => el("tr", {}, ...row.map((value) => cell("td", value))));
  return el("table", {}, el("thead", {}, el("tr", {}, ...heads)), el("tbody", {}, ...body));
}

const WIDTH = 1000;
const HEIGHT = 100;

// Lines over the last minutes. `series`: [moment, value, …]; a null leaves a gap.
export function chart(series, names, unit, text) {
  const highest = Math.max(0, ...series.flatMap(([, ...values]) => values.filter((value) => value != null)));
  if (!highest) return el("p", { class: "quiet" }, "No measurements in the last five minutes.");
  const from = series[0][0];
  const to = Math.max(series.at(-1)[0], from + 60000);
  const place = (moment, value) => [((moment - from) / (to - from)) * WIDTH, HEIGHT - (value / highest) * HEIGHT];
  const drawing = shape("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img" });
  drawing.setAttribute("aria-label", `${names.join(", ")}: maximum ${text(highest)} ${unit}`);
  for (const y of [0, HEIGHT / 2, HEIGHT]) drawing.append(shape("line", { x1: 0, x2: WIDTH, y1: y, y2: y }));
  names.forEach((_, line) => {
    for (const points of stretches(series, line + 1, place)) {
      drawing.append(shape("polyline", { class: line ? "second" : "first", points: points.join(" ") }));
    }
  });
  const scale = [highest, highest / 2, 0].map((value) => el("span", {}, `${text(value)} ${unit}`));
  const span = [from, to].map((moment) => el("span", {}, when(moment)));
  return el("div", { class: "chart" }, legend(names), el("div", { class: "scale" }, ...scale), drawing, el("div", { class: "span" }, ...span));
}

// The stretches of a line between its gaps; a single point is drawn as a short dash.
function stretches(series, value, place) {
  const found = [[]];
  for (const row of series) {
    if (row[value] == null) found.push([]);
    else found.at(-1).push(place(row[0], row[value]));
  }
  const dash = ([[x, y]]) => [[x - 3, y], [x + 3, y]];
  return found.filter((points) => points.length).map((points) => (points.length > 1 ? points : dash(points)));
}

function legend(names) {
  const mark = (line) => el("b", { class: line ? "second" : "first", "aria-hidden": "true" }, "— ");
  return el("div", { class: "legend" }, ...names.map((name, line) => el("span", {}, mark(line), name)));
}

function shape(tag, attributes) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}
