// Keeps an open list true without moving what is being read: the deals that are shown are renewed in
// their place, new ones are announced and come on request. Without this script the page reloads itself.

import { serverNow, setServerTime, tick, useOwnClock } from "./relative_time.js";
import { clock } from "./formats.js";
import { root } from "./addresses.js";

const PERIOD = 15000, HIDDEN_PERIOD = 60000, LONGEST = 120000;
let newsSince, title, failures = 0, timer = 0, views = 0;

function shown() {
  return new Map([...document.querySelectorAll("#deals [data-key]")].map((row) => [row.dataset.key, row]));
}

// Markup that parsing would change is compared by what it shows.
function same(old, fresh) {
  const bare = (element) => element.innerHTML.replace(/<time[^>]*>[^<]*<\/time>/g, (t) => /datetime="[^"]*"/.exec(t)[0]);
  return bare(old) === bare(fresh);
}

// Marks a price that is another one now; gives back what must be said once the new one stands there.
function markPrice(row, fresh) {
  const before = Number(row.dataset.price), after = Number(fresh.dataset.price);
  row.dataset.price = fresh.dataset.price;
  if (!before || !after || before === after) return () => {};
  const cell = row.querySelector('[data-part="price"]');
  const was = cell.querySelector("b").textContent;
  cell.classList.add("changed");
  cell.classList.toggle("up", after > before);
  cell.title = `was ${was}`;
  const spoken = document.createElement("span");
  spoken.className = "hidden";
  spoken.textContent = `changed, was ${was}`;
  return () => cell.append(spoken);
}

function renew(row, fresh) {
  const tell = markPrice(row, fresh);
  for (const part of row.querySelectorAll("[data-part]")) {
    const now = fresh.querySelector(`[data-part="${part.dataset.part}"]`);
    if (!now || same(part, now)) continue;
    const focused = [...part.querySelectorAll("a, button")].indexOf(document.activeElement);
    part.innerHTML = now.innerHTML;
    if (focused >= 0) part.querySelectorAll("a, button")[focused]?.focus({ preventScroll: true });
  }
  for (const status of ["live", "stale", "ended"]) row.classList.toggle(status, fresh.classList.contains(status));
  tell();
}

// The page must not show old as fresh even when nobody answers.
function markOverdue() {
  const limit = Number(document.getElementById("deals").dataset.fresh) * 1000;
  for (const row of shown().values()) {
    const seen = row.querySelector(".seen time");
    if (row.classList.contains("live") && seen) row.classList.toggle("overdue", serverNow() - Date.parse(seen.dateTime) > limit);
  }
}

// The focus stays on the control of the same number; when there is none any more, it goes to the list.
function replace(old, now) {
  const controls = (part) => [part, ...part.querySelectorAll("a[href], button")];
  const at = controls(old).indexOf(document.activeElement), next = document.importNode(now, true);
  old.replaceWith(next);
  if (at < 0) return;
  controls(next)[at]?.focus({ preventScroll: true });
  if (document.activeElement === document.body) document.getElementById("results").focus({ preventScroll: true });
}

function apply(fresh) {
  for (const id of ["banner", "total", "statuses", "news"]) {
    const old = document.getElementById(id), now = fresh.getElementById(id);
    if (old.innerHTML !== now.innerHTML || old.hidden !== now.hidden) replace(old, now);
  }
  for (const now of fresh.querySelectorAll("[data-tally]")) {
    const old = document.querySelector(`.views [data-tally="${CSS.escape(now.dataset.tally)}"]`);
    if (old) old.textContent = now.textContent;
  }
  const rows = shown();
  for (const now of fresh.querySelectorAll("[data-key]")) {
    const row = rows.get(now.dataset.key);
    if (row) renew(row, now);
  }
  const count = Number(document.getElementById("news").dataset.count);
  document.title = count ? `(${count}) ${title}` : title;
  if (!rows.size && count) location.reload();
}

async function refresh() {
  const view = new URLSearchParams(location.search);
  for (const own of ["cursor", "since"]) view.delete(own);
  view.set("since", newsSince);
  view.set("keys", [...shown().keys()].join(","));
  const asked = views;
  try {
    const answer = await fetch(`${root}live?${view}`, { cache: "no-store" });
    if (answer.status === 401) return location.reload();
    if (!answer.ok) throw new Error(String(answer.status));
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    if (asked !== views) return; // another view stands there by now
    const taken = fresh.getElementById("taken");
    setServerTime(taken.dataset.at);
    document.getElementById("taken").replaceWith(document.importNode(taken, true));
    apply(fresh);
    failures = 0;
  } catch (error) {
    failures += 1;
    const taken = document.getElementById("taken");
    taken.classList.add("silent");
    taken.textContent = `The dashboard does not answer: this is from ${clock(Date.parse(taken.dataset.at) / 1000)} UTC`;
  }
  tick();
  markOverdue();
}

function schedule() {
  clearTimeout(timer);
  const period = document.hidden ? HIDDEN_PERIOD : Math.min(LONGEST, PERIOD * 2 ** Math.min(failures, 3));
  timer = setTimeout(async () => { await refresh(); schedule(); }, period);
}

function begin() {
  const { at, since } = document.getElementById("taken").dataset;
  newsSince = since;
  title = document.title;
  views += 1;
  setServerTime(at);
  schedule();
}

begin();
document.addEventListener("keepa_deals:view", begin);
// Out of the browser's cache (going back, a restored tab) the page was made some time ago: until the server
// tells the time, this machine's clock does.
if (performance.getEntriesByType("navigation")[0]?.transferSize === 0) {
  useOwnClock();
  tick();
  markOverdue();
  refresh();
}
document.addEventListener("visibilitychange", async () => {
  if (!document.hidden) await refresh();
  schedule();
});
document.addEventListener("keepa_deals:refresh", async (event) => { await refresh(); event.detail?.(); });
setInterval(() => { tick(); markOverdue(); }, 20000);
