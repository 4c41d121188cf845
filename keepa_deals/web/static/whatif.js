// The economics follow what is typed, by the rules of economics.py: integers, shares rounded half up.
// Without this script the button asks the server.

import { percentTenths, write } from "./formats.js";

const form = document.querySelector(".economics form");
const money = JSON.parse(form.dataset.money);
const WHOLE = 10000;

const show = (amount) => write(amount, money);

function halfUp(numerator, denominator) {
  const [size, whole] = [2n * BigInt(Math.abs(numerator)), 2n * BigInt(denominator)];
  const found = Number((size + whole / 2n) / whole);
  return numerator < 0 ? -found : found;
}

const ceiling = (numerator, denominator) => Number((BigInt(numerator) + BigInt(denominator) - 1n) / BigInt(denominator));

// A decimal in units of 10 ** -digits, halves up, as money.py reads it.
function parsed(text, digits) {
  const [whole, part = ""] = text.split("."), figures = part.padEnd(digits + 1, "0");
  return Number(whole + figures.slice(0, digits)) + (figures[digits] >= "5" ? 1 : 0);
}

// The stored value of a field; null when it is unknown, NaN when it is no number.
function read(field) {
  const text = field.value.trim();
  if (!text) return field.dataset.known === "" ? null : Number(field.dataset.known);
  if (!/^\d{1,9}(\.\d{1,2})?$/.test(text)) return NaN;
  return parsed(text, field.dataset.unit === "money" ? money.digits : 2);
}

export function calculate({ buy, sell, referral, fba, prep, shipping }) {
  if ([buy, sell, referral, fba].includes(null)) return null;
  const fee = halfUp(sell * referral, WHOLE), invested = buy + prep + shipping;
  const profit = sell - fee - fba - invested, kept = WHOLE - referral;
  return {
    fee, profit,
    roi: invested ? halfUp(profit * WHOLE, invested) : null,
    margin: sell ? halfUp(profit * WHOLE, sell) : null,
    break_even: kept > 0 ? ceiling((invested + fba) * WHOLE, kept) : null,
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
    cell.textContent = (amount ? cell.dataset.sign : "") + show(amount);
  }
  const profit = form.querySelector('[data-result="profit"]');
  profit.className = result ? (result.profit < 0 ? "loss" : "gain") : "";
  put("profit", show(result ? result.profit : null));
  put("roi", percentTenths(result ? result.roi : null));
  put("margin", percentTenths(result ? result.margin : null));
  put("break_even", show(result ? result.break_even : null));
  form.querySelector("[data-reset]").hidden = !touched;
}

form.addEventListener("input", update);
form.querySelector("button").hidden = true;
form.querySelector("[data-reset]").addEventListener("click", (event) => {
  event.preventDefault();
  for (const field of form.querySelectorAll("input")) field.value = field.dataset.typed;
  update();
});
