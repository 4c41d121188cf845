// The economics follow what is typed. The server does the calculation, as for every other figure of a deal:
// here stands no rule of it. Without this script the button asks the same.

import { count, percentTenths, write } from "./formats.js";

const WAIT = 120; // ms after the last key
const form = document.querySelector(".economics form");
const money = JSON.parse(form.dataset.money);
const fields = [...form.querySelectorAll("input")];
const trouble = form.querySelector("[data-trouble]");
let asked = null, timer = null;

const cell = (name) => form.querySelector(`[data-result="${name}"]`);

function show(found) {
  for (const term of found.terms) {
    const row = form.querySelector(`[data-term="${term.name}"]`);
    row.classList.toggle("touched", term.source === "typed" || term.name in found.problems);
    row.querySelector("[data-note]").textContent = term.note;
    const problem = found.problems[term.name];
    mark(term.name, problem);
    const [value, worth] = problem ? [null, null] : [term.value, term.effect];
    row.querySelector("[data-effect]").textContent = term.unit === "count" ? count(value) : write(worth, money);
  }
  cell("profit").className = found.profit === null ? "" : found.profit < 0 ? "loss" : "gain";
  cell("profit").textContent = write(found.profit, money);
  cell("roi").textContent = percentTenths(found.roi_bp);
  cell("margin").textContent = percentTenths(found.margin_bp);
  cell("break_even").textContent = write(found.break_even, money);
  form.querySelector("[data-other]").hidden = found.other_profit === null;
  form.querySelector("[data-other-profit]").textContent = write(found.other_profit, money);
  const missing = form.querySelector("[data-missing]");
  const labels = found.terms.filter((term) => found.unknown.includes(term.name)).map((term) => term.label);
  missing.hidden = !labels.length;
  missing.querySelector("span").textContent = labels.join(", ");
}

// Says beside the field why it is wrong, and to those who hear the page, too.
function mark(name, problem) {
  const field = form.elements[name], place = document.getElementById(`problem-${name}`);
  if (problem) field.setAttribute("aria-invalid", "true");
  else field.removeAttribute("aria-invalid");
  if (place.textContent !== (problem || "")) place.textContent = problem || "";
  place.hidden = !problem;
}

// No figure may stand for a question that it does not answer.
function blank(text) {
  for (const name of ["profit", "roi", "margin", "break_even"]) cell(name).textContent = write(null, money);
  cell("profit").className = "";
  trouble.textContent = text;
  trouble.hidden = false;
}

async function ask() {
  asked?.abort();
  asked = new AbortController();
  const { signal } = asked;
  const typed = fields.filter((field) => field.value.trim()).map((field) => [field.name, field.value.trim()]);
  form.querySelector("[data-reset]").hidden = !typed.length;
  try {
    const answer = await fetch(`${form.dataset.api}?${new URLSearchParams(typed)}`, { signal });
    const found = await answer.json();
    if (signal.aborted) return;
    if (!answer.ok) throw new Error(String(answer.status));
    trouble.hidden = true;
    show(found);
  } catch {
    if (!signal.aborted) blank("The server does not answer. Type again to ask again.");
  }
}

form.addEventListener("input", () => {
  clearTimeout(timer);
  timer = setTimeout(ask, WAIT);
});
form.querySelector("button").hidden = true;
form.querySelector("[data-reset]").addEventListener("click", (event) => {
  event.preventDefault();
  for (const field of fields) field.value = "";
  ask();
});
