// What every page has: keys, the list of keys, pictures, forms that send themselves.

const help = document.getElementById("help");
const helpButton = document.getElementById("help-button");

function rows() {
  return [...document.querySelectorAll("[data-key]")];
}

function step(by) {
  const all = rows();
  if (!all.length) return;
  const at = all.findIndex((row) => row.contains(document.activeElement));
  const next = all[Math.min(all.length - 1, Math.max(0, at < 0 ? 0 : at + by))];
  next.querySelector("a.open").focus({ preventScroll: true });
  next.scrollIntoView({ block: "nearest" });
  for (const row of all) row.classList.toggle("here", row === next);
}

function follow(selector) {
  const link = document.querySelector(selector);
  if (link && !link.hidden) link.click();
}

const KEYS = {
  "/": () => {
    const toggle = document.querySelector(".filters-toggle");
    if (toggle) toggle.open = true;
    document.getElementById("search")?.focus();
  },
  j: () => step(1),
  k: () => step(-1),
  a: () => document.activeElement.closest("[data-key]")?.querySelector('a[href*="//www.amazon."]')?.click(),
  n: () => follow("#news"),
  "[": () => follow("a[rel=prev]"),
  "]": () => follow("a[rel=next]"),
  "?": () => help.showModal(),
};

document.addEventListener("keydown", (event) => {
  const typing = event.target.closest("input:not([type=checkbox]), select, textarea, dialog");
  if (typing || event.ctrlKey || event.metaKey || event.altKey || !(event.key in KEYS)) return;
  event.preventDefault();
  KEYS[event.key]();
});

helpButton.hidden = false;
helpButton.addEventListener("click", () => help.showModal());

// Pictures come from Amazon's host; behind each stands a tile that shows until it comes, and if it doesn't.
function judge(picture) {
  if (picture.complete) picture.classList.add(picture.naturalWidth ? "loaded" : "failed");
}
for (const outcome of ["load", "error"]) {
  document.addEventListener(outcome, ({ target }) => {
    if (target.matches?.(".picture img")) judge(target);
  }, true);
}
document.querySelectorAll(".picture img").forEach(judge);

// Filters apply as they are chosen; what is typed applies with Enter. Empty fields stay out of the address.
const filters = document.getElementById("filters");
if (filters) {
  filters.addEventListener("submit", () => {
    for (const field of filters.elements) if (field.name && field.value === "") field.disabled = true;
  });
  filters.addEventListener("change", (event) => {
    if (event.target.matches("select, [type=checkbox]") && matchMedia("(min-width: 1101px)").matches) {
      sessionStorage.setItem("keepa_deals.focus", JSON.stringify([event.target.name, event.target.value]));
      filters.requestSubmit();
    }
  });
  addEventListener("pageshow", () => {
    for (const field of filters.elements) field.disabled = false;
    const kept = JSON.parse(sessionStorage.getItem("keepa_deals.focus") || "null");
    sessionStorage.removeItem("keepa_deals.focus");
    if (!kept) return;
    const named = [...filters.querySelectorAll(`[name="${CSS.escape(kept[0])}"]`)];
    (named.find((field) => field.type !== "checkbox" || field.value === kept[1]) || named[0])?.focus();
  });
}
