// The economics follow what is typed, by the rules of economics.py: integers, shares rounded half up.
// Without this script the button asks the server.

const form = document.querySelector(".economics form");
const { currency, locale, digits } = form.dataset;
const unit = 10 ** Number(digits);
const money = new Intl.NumberFormat(locale, { style: "currency", currency });
const WHOLE = 10000;

const show = (amount) => (amount === null ? "–" : money.format(amount / unit));
const percent = (bp) => (bp === null ? "–" : `${(bp / 100).toFixed(1)} %`);

function halfUp(numerator, denominator) {
  const size = Math.floor((2 * Math.abs(numerator) + denominator) / (2 * denominator));
  return numerator < 0 ? -size : size;
}

// The stored value of a field; null when it is unknown, NaN when it is no number.
function read(field) {
  const text = field.value.trim();
  if (!text) return field.dataset.known === "" ? null : Number(field.dataset.known);
  if (!/^\d{1,9}(\.\d{1,2})?$/.test(text)) return NaN;
  return Math.round(Number(text) * (field.dataset.unit === "money" ? unit : 100));
}

export function calculate({ buy, sell, referral, fba, prep, shipping }) {
  if ([buy, sell, referral, fba].includes(null)) return null;
  const fee = halfUp(sell * referral, WHOLE), invested = buy + prep + shipping;
  const profit = sell - fee - fba - invested, kept = WHOLE - referral;
  return {
    fee, profit,
    roi: invested ? halfUp(profit * WHOLE, invested) : null,
    margin: sell ? halfUp(profit * WHOLE, sell) : null,
    break_even: kept > 0 ? Math.ceil(((invested + fba) * WHOLE) / kept) : null,
  };
}

function put(name, text) {
  form.querySelector(`[data-result="${name}"]`).textContent = text;
}

function update() {
  const terms = {};
  let wrong = false, touched = false;
  for (const field of form.querySelectorAll("input")) {
    const value = read(field);
    const invalid = Number.isNaN(value) || (field.name === "referral" && value > WHOLE);
    field.setAttribute("aria-invalid", String(invalid));
    wrong ||= invalid;
    terms[field.name] = value;
    const changed = value !== (field.dataset.known === "" ? null : Number(field.dataset.known));
    field.closest("tr").classList.toggle("touched", changed);
    touched ||= changed;
  }
  const result = wrong ? null : calculate(terms);
  for (const cell of form.querySelectorAll("[data-effect]")) {
    const amount = cell.dataset.effect === "referral" ? (result ? result.fee : null) : terms[cell.dataset.effect];
    cell.textContent = Number.isNaN(amount) ? "–" : (amount ? cell.dataset.sign : "") + show(amount);
  }
  const profit = form.querySelector('[data-result="profit"]');
  profit.className = result ? (result.profit < 0 ? "loss" : "gain") : "";
  put("profit", show(result ? result.profit : null));
  put("roi", percent(result ? result.roi : null));
  put("margin", percent(result ? result.margin : null));
  put("break_even", show(result ? result.break_even : null));
  form.querySelector("[data-reset]").hidden = !touched;
}

form.addEventListener("input", update);
form.querySelector("button").hidden = true;
form.querySelector("[data-reset]").addEventListener("click", (event) => {
  event.preventDefault();
  for (const field of form.querySelectorAll("input")) {
    const known = field.dataset.known;
    const scale = field.dataset.unit === "money" ? unit : 100;
    const places = field.dataset.unit === "money" ? Number(digits) : 2;
    field.value = known === "" ? "" : (Number(known) / scale).toFixed(places);
  }
  update();
});
