// Marks deals of the list without leaving it: what is hidden goes at once, and the focus to the next deal.
// Without this script the buttons send the same form, and the list comes anew.

import { put } from "./navigation.js";

// What takes a deal out of which list, by its parameter "marked".
const LEAVES = { not_hidden: /^hide$/, starred: /^unstar$/, hidden: /^show/ };
let last = Promise.resolve(), waiting = 0, marked = [];

const rows = () => [...document.querySelectorAll("#deals [data-key]")];
const boxes = () => [...document.querySelectorAll('#deals [name="key"]')];
const controls = (row) => [...row.querySelectorAll("a[href], input, button")];
const chosen = () => new Set(boxes().filter((box) => box.checked).map((box) => box.value));
const find = (key) => rows().find((row) => row.dataset.key === key);

// -- the deals that are chosen ---------------------------------------------------------------------
function count() {
  const form = document.getElementById("marking"), all = boxes(), n = all.filter((box) => box.checked).length;
  if (!form) return;
  form.classList.toggle("idle", !n);
  form.querySelector(".chosen").textContent = `${n} chosen`;
  const button = document.getElementById("choose-all");
  button.hidden = false;
  button.textContent = n === all.length ? "Choose none" : "Choose all here";
}

document.addEventListener("change", (event) => { if (event.target.matches('#deals [name="key"]')) count(); });
document.addEventListener("click", (event) => {
  if (event.target.id !== "choose-all") return;
  const all = boxes(), on = !all.every((box) => box.checked);
  for (const box of all) box.checked = on;
  count();
});

// -- the focus and the choice, over a renewed list ---------------------------------------------------
function place() {
  const row = document.activeElement.closest?.("[data-key]");
  return row && { key: row.dataset.key, at: controls(row).indexOf(document.activeElement) };
}

function giveBack(held) {
  const row = held && find(held.key);
  if (!row) return;
  (controls(row)[held.at] || row.querySelector("a.open")).focus({ preventScroll: true });
  row.classList.add("here");
  row.scrollIntoView({ block: "nearest" });
}

// What leaves goes before the answer, so that the next key means the next deal.
function takeOut(keys) {
  const all = rows(), at = all.findIndex((row) => keys.has(row.dataset.key));
  const isLeft = (row) => !keys.has(row.dataset.key);
  const next = all.slice(at).find(isLeft) || all.slice(0, at).findLast(isLeft);
  for (const row of all) if (!isLeft(row)) row.remove();
  if (next) giveBack({ key: next.dataset.key, at: -1 });
  else document.getElementById("results").focus({ preventScroll: true });
}

// -- sending, one after the other ----------------------------------------------------------------------
function sendPlainly(action, data) {
  const form = Object.assign(document.createElement("form"), { method: "post", action });
  for (const [name, value] of data) form.append(Object.assign(document.createElement("input"), { type: "hidden", name, value }));
  document.body.append(form);
  form.submit();
}

async function send(action, data, undone) {
  let fresh = null;
  try {
    const answer = await fetch(action, { method: "POST", body: new URLSearchParams(data), headers: { Accept: "text/html" } });
    if (answer.ok) fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  } catch { /* nobody answers: the browser says so */ }
  waiting -= 1;
  if (fresh && waiting) return;
  const held = place(), kept = chosen();
  if (!fresh || !put(fresh)) return sendPlainly(action, data);
  for (const box of boxes()) box.checked = kept.has(box.value);
  giveBack(undone.length ? { key: undone.find(find), at: -1 } : held);
  count();
  const words = document.querySelector("#undo span");
  document.getElementById("said").textContent = words ? words.textContent : "Undone.";
}

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.id !== "marking" && form.id !== "undo") return;
  event.preventDefault();
  const data = [...new FormData(form, event.submitter)], [mark, key] = (event.submitter?.name === "row" ? event.submitter.value : "").split(":");
  const does = mark || event.submitter?.value, isUndo = form.id === "undo";
  const keys = isUndo ? marked : key ? [key] : [...chosen()];
  if (!keys.length && !isUndo) return;
  marked = isUndo ? [] : keys;
  waiting += 1;
  if (!isUndo && !key) for (const box of boxes()) box.checked = false;
  const list = new URLSearchParams(location.search).get("marked") || "not_hidden";
  if (!isUndo && LEAVES[list]?.test(does)) takeOut(new Set(keys));
  last = last.then(() => send(form.action, data, isUndo ? keys : []));
});

count();
document.addEventListener("keepa_deals:view", count);
