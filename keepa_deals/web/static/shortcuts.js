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

function here() {
  return document.activeElement.closest("[data-key]");
}

// In a list it is the row in focus that is marked, else the deal of the page.
function mark(inRow, onPage) {
  const row = here();
  if (row) row.querySelector(inRow)?.click();
  else document.querySelector(".marks")?.querySelector(onPage)?.click();
}

function write(name) {
  const open = here()?.querySelector("a.open");
  if (open) location.assign(`${open.href}#mark-${name}`);
  else document.getElementById(`mark-${name}`)?.focus();
}

const KEYS = {
  "/": () => {
    const toggle = document.querySelector(".filters-toggle");
    if (toggle) toggle.open = true;
    document.getElementById("search")?.focus();
  },
  j: () => step(1),
  k: () => step(-1),
  a: () => here()?.querySelector('a[href*="//www.amazon."]')?.click(),
  s: () => mark('[value^="star:"], [value^="unstar:"]', '[value="star"], [value="unstar"]'),
  h: () => mark('[value^="hide:"], [value^="show"]', '[value="hide"], [value="show"]'),
  b: () => write("price"),
  e: () => write("note"),
  x: () => here()?.querySelector('[name="key"]')?.click(),
  u: () => follow("#undo button, .marks .banner button"),
  n: () => follow("#news"),
  "[": () => follow("a[rel=prev]"),
  "]": () => follow("a[rel=next]"),
  "?": () => help.showModal(),
};

document.addEventListener("keydown", (event) => {
  const typing = event.target.closest("input:not([type=checkbox]), select, textarea, dialog");
  const isTypedSo = event.getModifierState("AltGraph"); // as brackets are on many keyboards; some call it Ctrl and Alt
  const isChord = event.metaKey || ((event.ctrlKey || event.altKey) && !isTypedSo);
  if (typing || isChord || !(event.key in KEYS)) return;
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
function judgeAll() {
  document.querySelectorAll(".picture img").forEach(judge);
}
judgeAll();
document.addEventListener("keepa_deals:view", judgeAll);

// Filters apply as they are chosen; what is typed applies with Enter.
document.getElementById("filters")?.closest("aside").addEventListener("change", (event) => {
  if (event.target.matches("select, [type=checkbox]") && matchMedia("(min-width: 1101px)").matches) {
    event.target.form.requestSubmit();
  }
});

performance.mark("keepa_deals:ready");
