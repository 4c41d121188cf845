// Draws the figures of a page with uPlot: values appear under the pointer. The same numbers are in the
// table beside each figure, which needs no script.
/* global uPlot */

const UTC = "Etc/UTC";
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

function wash(name) {
  return colour(name).replace(/^rgb\((.*)\)$/, "rgba($1, .14)");
}

function counts(value) {
  return value === null || value === undefined ? "–" : value.toLocaleString("en-US");
}

function moneyOf(figure) {
  const { currency, locale, digits } = figure.dataset;
  const format = new Intl.NumberFormat(locale, { style: "currency", currency });
  return (amount) => (amount === null || amount === undefined ? "–" : format.format(amount / 10 ** Number(digits)));
}

const KINDS = {
  deal(figure) {
    const money = moneyOf(figure);
    const stepped = uPlot.paths.stepped({ align: 1 });
    const line = (label, ink, rest) => ({ label, stroke: colour(ink), width: 2, paths: stepped, points: { show: false }, ...rest });
    return {
      scales: { money: { range: (u, low, high) => padded(low, high) }, rank: { range: (u, low, high) => padded(low, high) } },
      series: [
        line("Price, told by Keepa", "accent", { scale: "money", value: (u, v) => money(v), width: 1.25, fill: wash("accent") }),
        line("Price, seen here", "accent", { scale: "money", value: (u, v) => money(v), width: 2.5, fill: wash("accent") }),
        line("Average of 90 days", "soft", { scale: "money", value: (u, v) => money(v), dash: [6, 4], width: 1.5 }),
        line("Rank, told by Keepa", "warn", { scale: "rank", value: (u, v) => counts(v), width: 1 }),
        line("Rank, seen here", "warn", { scale: "rank", value: (u, v) => counts(v), width: 2 }),
      ],
      axes: [
        { scale: "money", size: 74, values: (u, ticks) => ticks.map(money) },
        { scale: "rank", side: 1, size: 66, grid: { show: false }, values: (u, ticks) => ticks.map((v) => (Number.isInteger(v) ? counts(v) : "")) },
      ],
    };
  },
  tokens() {
    const line = (label, ink, rest) => ({ label, stroke: colour(ink), width: 1.5, points: { show: false }, ...rest });
    const seconds = (ms) => (ms === null || ms === undefined ? "–" : `${Math.round(ms / 1000)} s`);
    const floor = (least) => (u, low, high) => [Math.min(0, low), Math.max(least, high * 1.12)];
    return {
      scales: { tokens: { range: floor(10) }, wait: { range: floor(10000) } },
      series: [
        line("Tokens", "accent", { scale: "tokens", value: (u, v) => counts(v), fill: wash("accent") }),
        line("Longest wait, small", "good", { scale: "wait", value: (u, v) => seconds(v) }),
        line("bulk (right)", "warn", { scale: "wait", value: (u, v) => seconds(v) }),
      ],
      axes: [
        { scale: "tokens", size: 58, values: (u, ticks) => ticks.map(counts) },
        { scale: "wait", side: 1, size: 58, grid: { show: false }, values: (u, ticks) => ticks.map(seconds) },
      ],
    };
  },
  health() {
    const line = (label, ink, rest) => ({ label, stroke: colour(ink), width: 2, points: { show: false }, value: (u, v) => counts(v), ...rest });
    const whole = (u, ticks) => ticks.map((v) => (Number.isInteger(v) ? counts(v) : ""));
    return {
      scales: { deals: { range: (u, low, high) => [0, Math.max(10, high * 1.12)] }, ended: { range: (u, low, high) => [0, Math.max(10, high * 1.12)] } },
      series: [
        line("Live", "good", { scale: "deals", fill: wash("good") }),
        line("Stale", "warn", { scale: "deals" }),
        line("Ended (right)", "soft", { scale: "ended", dash: [5, 4], width: 1.25 }),
      ],
      axes: [{ scale: "deals", size: 58, values: whole }, { scale: "ended", side: 1, size: 58, grid: { show: false }, values: whole }],
    };
  },
};

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
  const data = JSON.parse(figure.dataset.series);
  const plot = figure.querySelector(".plot");
  if (typeof uPlot === "undefined" || !data[0] || data[0].length < 2) return;
  const kind = KINDS[figure.dataset.chart](figure);
  plot.replaceChildren();
  plot.classList.add("drawn");
  const height = Number(figure.dataset.height) || (matchMedia("(max-width: 720px)").matches ? 210 : 260);
  figure.chart?.destroy();
  const latest = (u) => u.setLegend({ idx: data[0].length - 1 }, false);
  figure.chart = new uPlot({
    width: plot.clientWidth, height, tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), UTC),
    cursor: { y: false, dataIdx: inForce, points: { size: 7 }, drag: { x: true, y: false } },
    hooks: { ready: [latest], setCursor: [(u) => u.cursor.left < 0 && latest(u)] },
    scales: { x: { time: true }, ...kind.scales },
    series: [{ label: "UTC", value: "{YYYY}-{MM}-{DD} {HH}:{mm}" }, ...kind.series],
    axes: [axis({ values: CLOCK, space: 64 }), ...kind.axes.map(axis)],
  }, data, plot);
}

export function drawAll(root = document) {
  root.querySelectorAll("figure.chart").forEach(draw);
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
