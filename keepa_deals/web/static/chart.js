// Draws the figures of a page with uPlot: values appear under the pointer. The same numbers are in the
// table beside each figure, which needs no script.
/* global uPlot */

import { count, moment, seconds, stars, write } from "./formats.js";

const UTC = "Etc/UTC";
const PIXELS_A_STEP = 4;
const MARKS_BESIDE = 8; // pixels between a mark and the edge
const SALE_PIXELS = 7;
const REMEMBERED = "keepa_deals.lines";
const MINUTE = 60, HOUR = 3600, DAY = 86400;

const CLOCK = [
  [365 * DAY, "{YYYY}", null, null, null, null, null, null, 1],
  [28 * DAY, "{MMM}", "\n{YYYY}", null, null, null, null, null, 1],
  [DAY, "{D} {MMM}", "\n{YYYY}", null, null, null, null, null, 1],
  [HOUR, "{HH}:{mm}", "\n{D} {MMM}", null, "\n{D} {MMM}", null, null, null, 1],
  [MINUTE, "{HH}:{mm}", "\n{D} {MMM}", null, "\n{D} {MMM}", null, null, null, 1],
  [1, "{HH}:{mm}:{ss}", "\n{D} {MMM}", null, "\n{D} {MMM}", null, null, null, 1],
];

function colour(name) {
  const probe = document.createElement("i");
  probe.className = `ink-${name}`;
  document.body.append(probe);
  const found = getComputedStyle(probe).color;
  probe.remove();
  return found;
}

function wash(name, alpha = 0.14) {
  return colour(name).replace(/^rgb\((.*)\)$/, `rgba($1, ${alpha})`);
}

const small = () => matchMedia("(max-width: 720px)").matches;

function pale(name) {
  return colour(name).replace(/^rgb\((.*)\)$/, "rgba($1, .6)");
}

// A figure's lines have moments of their own: one table for all of them. A value holds until the next one.
function aligned(base, lines) {
  const last = base[0].at(-1);
  const moments = [...new Set([...base[0], ...lines.flatMap((line) => line.steps[0])])].filter((at) => at <= last).sort((a, b) => a - b);
  const filled = (starts, values) => {
    let known = -1;
    return moments.map((at) => {
      while (starts[known + 1] <= at) known += 1;
      return known < 0 ? null : values[known];
    });
  };
  return [moments, ...base.slice(1).map((values) => filled(base[0], values)), ...lines.map((line) => filled(...line.steps))];
}

// A mark of an axis may lie between two whole numbers: it has no text.
const onWhole = (text) => (mark) => (Number.isInteger(mark) ? text(mark) : "");

// As wide as its longest mark, so that none is cut; uPlot asks twice, and the second time it must stay.
function fitting(u, marks, number, cycle) {
  const axis = u.axes[number];
  if (cycle > 1 || !marks) return marks ? axis._size : MARKS_BESIDE;
  u.ctx.font = axis.font[0];
  const widest = Math.max(0, ...marks.map((mark) => u.ctx.measureText(mark ?? "").width)) / devicePixelRatio;
  return Math.ceil(widest) + axis.gap + MARKS_BESIDE;
}

const KINDS = {
  deal(figure) {
    const notation = JSON.parse(figure.dataset.money), unit = 10 ** notation.digits;
    const money = (amount) => write(amount, notation);
    const bare = (amount) => write(amount, notation, 0);
    const ticked = (u, ticks) => ticks.map(ticks.every((tick) => tick % unit === 0) ? bare : onWhole(money));
    const stepped = uPlot.paths.stepped({ align: 1 });
    const line = (label, width, rest) => ({ label, width, paths: stepped, points: { show: false }, ...rest });
    const price = { scale: "money", value: (u, v) => money(v), stroke: colour("accent"), fill: wash("accent") };
    const rank = { scale: "rank", value: (u, v) => count(v), stroke: pale("warn") };
    // Where the two meet, Keepa's line ends and ours begins: the value is ours.
    const told = (kind) => ({ ...kind, value: (u, v, n, i) => kind.value(u, (u.data[n + 1][i] ?? null) === null ? v : null) });
    const written = { money, count, rating: stars };
    const others = linesOf(figure).map(({ name, label, scale }) =>
      line(label, 1.25, { scale, value: (u, v) => written[scale](v), stroke: colour(name), ...(name === "year_before" && { dash: [2, 4] }) }));
    const range = (u, low, high) => padded(low, high);
    return {
      scales: { money: { range }, rank: { range }, count: { range: (u, low, high) => [0, high * 1.3] }, rating: { range: [0, 55] } },
      hooks: { drawClear: [drawBands(figure)], draw: [drawSales(figure)] },
      series: [
        line("Price, Keepa", 1.25, told(price)),
        line("Price, here", 2.5, price),
        line("90-day avg", 1.5, { ...price, fill: null, stroke: colour("soft"), dash: [6, 4] }),
        line("Rank, Keepa", 1, told(rank)),
        line("Rank, here", 2, rank),
        ...others,
      ],
      axes: [
        { scale: "money", size: fitting, values: ticked },
        { scale: "rank", side: 1, size: fitting, grid: { show: false }, values: (u, ticks) => ticks.map(onWhole(count)) },
      ],
    };
  },
  tokens() {
    const line = (label, ink, rest) => ({ label, stroke: colour(ink), width: 1.5, points: { show: false }, ...rest });
    const floor = (least) => (u, low, high) => [Math.min(0, low), Math.max(least, high * 1.12)];
    return {
      scales: { tokens: { range: floor(10) }, wait: { range: floor(10000) } },
      series: [
        line("Tokens", "accent", { scale: "tokens", value: (u, v) => count(v), fill: wash("accent") }),
        line("Longest wait, small", "good", { scale: "wait", value: (u, v) => seconds(v) }),
        line("bulk (right)", "warn", { scale: "wait", value: (u, v) => seconds(v) }),
      ],
      axes: [
        { scale: "tokens", size: fitting, values: (u, ticks) => ticks.map(onWhole(count)) },
        { scale: "wait", side: 1, size: fitting, grid: { show: false }, values: (u, ticks) => ticks.map(onWhole(seconds)) },
      ],
    };
  },
  health() {
    const line = (label, ink, rest) => ({ label, stroke: colour(ink), width: 2, points: { show: false }, value: (u, v) => count(v), ...rest });
    const whole = (u, ticks) => ticks.map(onWhole(count));
    return {
      scales: { deals: { range: (u, low, high) => [0, Math.max(10, high * 1.12)] }, ended: { range: (u, low, high) => [0, Math.max(10, high * 1.12)] } },
      series: [
        line("Live", "good", { scale: "deals", fill: wash("good") }),
        line("Stale", "warn", { scale: "deals" }),
        line("Ended (right)", "soft", { scale: "ended", dash: [5, 4], width: 1.25 }),
      ],
      axes: [{ scale: "deals", size: fitting, values: whole }, { scale: "ended", side: 1, size: fitting, grid: { show: false }, values: whole }],
    };
  },
};

const linesOf = (figure) => JSON.parse(figure.dataset.lines || "[]");

// When Amazon had an offer, behind the lines.
function drawBands(figure) {
  const { amazon } = JSON.parse(figure.dataset.marks), ink = wash("amazon", 0.07);
  return (u) => {
    if (!figure.shown?.has("amazon_bands")) return;
    const { left, top, width, height } = u.bbox;
    u.ctx.save();
    u.ctx.beginPath();
    u.ctx.rect(left, top, width, height);
    u.ctx.clip();
    u.ctx.fillStyle = ink;
    for (const [from, to] of amazon) {
      const begin = u.valToPos(from, "x", true);
      u.ctx.fillRect(begin, top, u.valToPos(to, "x", true) - begin, height);
    }
    u.ctx.restore();
  };
}

// A stroke at the foot for each sale.
function drawSales(figure) {
  const { sales } = JSON.parse(figure.dataset.marks), ink = colour("good");
  return (u) => {
    if (!figure.shown?.has("sales")) return;
    const { left, top, width, height } = u.bbox, foot = top + height;
    u.ctx.save();
    u.ctx.fillStyle = ink;
    for (const at of sales) {
      const x = u.valToPos(at, "x", true);
      if (x >= left && x <= left + width) u.ctx.fillRect(Math.round(x), foot - SALE_PIXELS * devicePixelRatio, Math.max(1, devicePixelRatio), SALE_PIXELS * devicePixelRatio);
    }
    u.ctx.restore();
  };
}

// What a reader shows or hides; the browser remembers it for all deals.
function switchesOf(figure) {
  const { sales, amazon } = JSON.parse(figure.dataset.marks);
  return [
    { name: "average", label: "Average", ink: "soft", series: [3], on: true },
    { name: "rank", label: "Rank", ink: "warn", series: [4, 5], on: true },
    ...(sales.length ? [{ name: "sales", label: "Sales", ink: "good", series: [], on: true }] : []),
    ...(amazon.length ? [{ name: "amazon_bands", label: "Amazon on it", ink: "amazon", series: [], on: true }] : []),
    ...linesOf(figure).map(({ name, label }, place) => ({ name, label, ink: name, series: [6 + place], on: false })),
  ];
}

function remembered() {
  try {
    return JSON.parse(localStorage.getItem(REMEMBERED)) ?? {};
  } catch {
    return {};
  }
}

function remember(name, on) {
  try {
    localStorage.setItem(REMEMBERED, JSON.stringify({ ...remembered(), [name]: on }));
  } catch {
    // Without a store it holds for this page.
  }
}

function offerLines(figure) {
  const group = figure.querySelector("[data-switches]");
  if (!group || !figure.chart) return;
  const known = remembered();
  figure.shown = new Set();
  const apply = (button, { name, series }, on) => {
    figure.shown[on ? "add" : "delete"](name);
    button.setAttribute("aria-pressed", String(on));
    for (const number of series) figure.chart.setSeries(number, { show: on });
  };
  group.replaceChildren(...switchesOf(figure).map((line) => {
    const button = document.createElement("button"), ink = document.createElement("i");
    button.type = "button";
    ink.className = `swatch ink-${line.ink}`;
    button.append(ink, line.label);
    button.onclick = () => {
      const on = button.ariaPressed !== "true";
      apply(button, line, on);
      remember(line.name, on);
      figure.chart.redraw(false);
    };
    apply(button, line, known[line.name] ?? line.on);
    return button;
  }));
  group.hidden = false;
  figure.chart.redraw(false);
}

function padded(low, high) {
  const room = Math.max((high - low) * 0.15, Math.abs(high) * 0.04, 1);
  return [Math.max(0, low - room), high + room];
}

// A value holds from its point on: under the pointer stands the last one before it, not the nearest.
function inForce(u, series, nearest, at) {
  return nearest > 0 && u.data[0][nearest] > at ? nearest - 1 : nearest;
}

function axis(options) {
  return {
    stroke: colour("soft"), font: "12px system-ui, sans-serif", gap: 6,
    ticks: { show: false }, grid: { stroke: colour("line"), width: 1 }, ...options, grid: { stroke: colour("line"), width: 1, ...options.grid },
  };
}

function draw(figure) {
  const base = JSON.parse(figure.dataset.series);
  const plot = figure.querySelector(".plot");
  if (typeof uPlot === "undefined" || !base[0] || base[0].length < 2) return;
  const lines = linesOf(figure), data = lines.length ? aligned(base, lines) : base;
  const kind = KINDS[figure.dataset.chart](figure);
  plot.replaceChildren();
  plot.classList.add("drawn");
  const height = Number(figure.dataset.height) || (small() ? 210 : 260);
  figure.chart?.destroy();
  const latest = (u) => u.setLegend({ idx: data[0].length - 1 }, false);
  figure.chart = new uPlot({
    width: plot.clientWidth, height, tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), UTC),
    cursor: { y: false, dataIdx: inForce, points: { size: 7 }, drag: { x: true, y: false } },
    hooks: { ready: [latest], setCursor: [(u) => u.cursor.left < 0 && latest(u)], ...kind.hooks },
    scales: { x: { time: true }, ...kind.scales },
    series: [{ label: "UTC", value: (u, v) => (v === null ? "–" : moment(v)) }, ...kind.series],
    axes: [axis({ values: CLOCK, space: 64 }), ...kind.axes.map(axis)],
  }, data, plot);
  offerLines(figure);
}

// How far back a deal's chart reaches. At first as far as the steps of the price can still be told apart.
function offerSpans(switcher) {
  const { chart } = document.querySelector("figure.chart[data-chart=deal]");
  if (!chart) return;
  const [moments] = chart.data, last = moments.at(-1), known = last - moments[0];
  const choose = (button) => {
    const days = Number(button.dataset.days);
    chart.setScale("x", { min: days ? last - days * DAY : moments[0], max: last });
    for (const other of switcher.children) other.setAttribute("aria-pressed", String(other === button));
  };
  const offered = [...switcher.children].filter((button) => button.dataset.days * 1.05 * DAY < known);
  for (const button of switcher.children) button.hidden = !offered.includes(button);
  for (const button of offered) button.onclick = () => choose(button);
  switcher.hidden = offered.length < 2;
  const steps = moments.filter((_, i) => i && [1, 2].some((n) => chart.data[n][i] !== chart.data[n][i - 1]));
  const legible = (button) => {
    const since = Number(button.dataset.days) ? last - button.dataset.days * DAY : 0;
    return steps.filter((at) => at > since).length * PIXELS_A_STEP < chart.width;
  };
  const pressed = offered.find((button) => button.ariaPressed === "true");
  if (offered.length) choose(pressed || offered.findLast(legible) || offered[0]);
}

export function drawAll(root = document) {
  root.querySelectorAll("figure.chart").forEach(draw);
  const switcher = document.getElementById("spans");
  if (switcher) offerSpans(switcher);
}

function fit() {
  for (const figure of document.querySelectorAll("figure.chart")) {
    const width = figure.querySelector(".plot").clientWidth;
    if (figure.chart && width && Math.abs(figure.chart.width - width) > 1) figure.chart.setSize({ width, height: figure.chart.height });
  }
}

drawAll();
addEventListener("resize", fit);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => drawAll());
