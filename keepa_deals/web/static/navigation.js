// Goes from view to view without leaving the page: fetches what the address would show and puts its parts
// in the place of the old ones. Without this script, and whenever anything is odd, links and forms lead there.

import { root } from "./addresses.js";

const PARTS = ["#banner", ".views", "#statuses", "#results"];
const PLACES = ".views, #statuses, .tools, .chips, thead, .paging, .empty, #total";
const REACHED = "a[href], button, summary, input, select";
let asking = null, shownAt = location.search;

function address(form) {
  const query = new URLSearchParams();
  for (const [name, value] of new FormData(form)) if (value !== "") query.append(name, value);
  return `${form.getAttribute("action")}${query.size ? `?${query}` : ""}`;
}

// -- the focus: as near as may be to where it was ------------------------------------------------
function placeOfFocus() {
  const at = document.activeElement, place = at?.closest(PLACES);
  if (!place) return null;
  const selector = PLACES.split(", ").find((candidate) => place.matches(candidate));
  return { selector, number: [...place.querySelectorAll(REACHED)].indexOf(at), text: at.textContent };
}

function giveBack(place) {
  if (!place || (document.activeElement && document.activeElement !== document.body)) return;
  const all = [...(document.querySelector(place.selector)?.querySelectorAll(REACHED) || [])];
  const next = all[place.number]?.textContent === place.text ? all[place.number] : all.find((one) => one.textContent === place.text);
  const stays = place.selector === ".paging" ? null : next || all[Math.min(place.number, all.length - 1)]; // a page is read from its top
  (stays || document.getElementById("results")).focus({ preventScroll: true });
}

// -- the form: what is being typed stays -----------------------------------------------------------
const fields = (form) => [...form.elements].filter((field) => field.name);

function typed(form) {
  return new Map(fields(form).filter((field) => field.matches("input:not([type=checkbox], [type=hidden])")).map((field) => [field.name, field.value]));
}

function renewForm(fresh, sent) {
  const form = document.getElementById("filters"), at = document.activeElement;
  const held = form.contains(at) ? { name: at.name, value: at.value, kind: at.type, start: at.selectionStart } : null;
  const scrolled = form.querySelector(".categories .list")?.scrollTop;
  const now = typed(form);
  form.replaceChildren(...document.importNode(fresh, true).childNodes);
  for (const [name, value] of now) if (sent.get(name) !== value) form.elements[name].value = value;
  if (scrolled) form.querySelector(".categories .list")?.scrollTo(0, scrolled);
  if (!held) return;
  const same = fields(form).filter((field) => field.name === held.name && field.type === held.kind);
  const next = held.name ? same.find((field) => held.kind !== "checkbox" || field.value === held.value) : form.querySelector(".buttons button");
  (next || same[0] || form.querySelector(".search input")).focus({ preventScroll: true });
  if (next && held.start !== null && next.setSelectionRange) next.setSelectionRange(held.start, held.start);
}

// -- the way there ---------------------------------------------------------------------------------
// Another version of the service, or no list at all: then this page can't show it.
function fits(fresh) {
  const version = (page) => page.querySelector('script[src*="navigation.js"]')?.getAttribute("src");
  return version(fresh) === version(document) && PARTS.every((part) => fresh.querySelector(part));
}

function show(fresh, sent) {
  const place = placeOfFocus(), held = document.activeElement !== document.body;
  for (const part of PARTS) document.querySelector(part).replaceWith(document.importNode(fresh.querySelector(part), true));
  const toggle = document.querySelector(".filters-toggle"), mistakes = document.getElementById("mistakes");
  if (fresh.querySelector(".filters-toggle").open) toggle.open = true;
  renewForm(fresh.getElementById("filters"), sent);
  toggle.querySelector("summary").innerHTML = fresh.querySelector(".filters-toggle summary").innerHTML;
  document.title = fresh.title;
  giveBack(place);
  if (document.activeElement === document.body) document.querySelector("#filters [aria-invalid]")?.focus({ preventScroll: true });
  const isFolded = !document.getElementById("filters").offsetParent;
  if ((held || isFolded) && document.activeElement === document.body) document.getElementById("results").focus({ preventScroll: true });
  document.dispatchEvent(new Event("keepa_deals:view"));
  const told = mistakes ? mistakes.textContent.replace(/\s+/g, " ").trim() : "";
  document.getElementById("said").textContent = `${told} ${document.getElementById("total").textContent.trim()}`.trim();
}

// The page that a form of this one has led to; false: it is no list that could stand here.
export function put(fresh) {
  if (!fits(fresh)) return false;
  asking?.abort();
  asking = null;
  show(fresh, typed(document.getElementById("filters")));
  return true;
}

// Without what a form says although it goes without saying; a mistake stays, to be mended.
function canonical(fresh, target) {
  const query = new URL(target, location.href).searchParams, isWrong = fresh.querySelector("#filters [aria-invalid]");
  return isWrong || query.has("cursor") || query.has("since") ? target : fresh.querySelector("#statuses [aria-current]").getAttribute("href");
}

async function visit(target, { push = true, scroll = null } = {}) {
  asking?.abort();
  const mine = asking = new AbortController();
  mine.isReturn = !push;
  const results = document.getElementById("results"), sent = typed(document.getElementById("filters"));
  results.setAttribute("aria-busy", "true");
  try {
    const answer = await fetch(target, { headers: { Accept: "text/html" }, signal: mine.signal });
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    if (mine !== asking) return;
    if (!answer.ok || answer.redirected || !fits(fresh)) throw new Error("not a list");
    if (push) {
      history.replaceState({ scroll: scrollY }, "");
      history.pushState(null, "", canonical(fresh, target));
    }
    shownAt = location.search;
    show(fresh, sent);
    if (scroll !== null) scrollTo(0, scroll);
    else if (document.getElementById("results").getBoundingClientRect().top < 0) document.getElementById("results").scrollIntoView();
  } catch {
    if (mine === asking) location.assign(target);
  }
}

document.addEventListener("click", (event) => {
  const link = event.target.closest("a[href]");
  if (!link || event.defaultPrevented || event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
  if (!link.closest(PLACES) && link.id !== "news" && !link.matches("#filters a")) return;
  if (link.origin !== location.origin || link.pathname !== root || link.hasAttribute("download")) return;
  event.preventDefault();
  visit(link.href);
});

document.getElementById("filters").addEventListener("submit", (event) => {
  event.preventDefault();
  document.querySelector(".filters-toggle").open = false;
  visit(address(event.target));
});

addEventListener("popstate", (event) => {
  if (location.search !== shownAt) return visit(location.href, { push: false, scroll: event.state?.scroll ?? 0 });
  if (!asking?.isReturn) return;
  asking.abort(); // on the way to another entry the reader turned round: what is shown is right again
  asking = null;
  document.getElementById("results").removeAttribute("aria-busy");
});
