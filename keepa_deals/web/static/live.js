// Keeps the page true without moving what is being read: known rows are renewed in their place, new
// deals are announced and shown on request. Without this script the page reloads itself every minute.
"use strict";

const PERIOD = 15000;

function hideBrokenPictures(root) {
  for (const picture of root.querySelectorAll("img")) {
    const hide = () => picture.classList.add("failed");
    if (picture.complete && picture.naturalWidth === 0) hide();
    else picture.addEventListener("error", hide);
  }
}

function rowsOf(root) {
  return new Map([...root.querySelectorAll("tr[data-key]")].map((row) => [row.dataset.key, row]));
}

function renewRows(fresh) {
  const here = rowsOf(document), there = rowsOf(fresh);
  for (const [key, row] of there) {
    const old = here.get(key);
    if (!old || old.contains(document.activeElement)) continue;
    const price = (element) => element.querySelector(".price").textContent;
    const changed = price(old) !== price(row);
    const picture = old.querySelector(".picture").cloneNode(true);
    old.replaceWith(row);
    row.querySelector(".picture").replaceWith(picture);
    row.classList.toggle("changed", changed);
    hideBrokenPictures(row);
  }
  return [...there.keys()].filter((key) => !here.has(key)).length;
}

function announce(count) {
  const button = document.getElementById("news");
  button.hidden = count === 0;
  button.textContent = count === 1 ? "1 new deal" : `${count} new deals`;
}

async function refresh() {
  if (document.hidden) return;
  const taken = document.getElementById("taken");
  try {
    const answer = await fetch(location.href, { headers: { Accept: "text/html" }, cache: "no-store" });
    if (!answer.ok) throw new Error(String(answer.status));
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    for (const id of ["banner", "total", "taken"]) {
      const part = document.importNode(fresh.getElementById(id), true);
      if (part.innerHTML !== document.getElementById(id).innerHTML) document.getElementById(id).replaceWith(part);
    }
    if (document.querySelector("table.deals") || !fresh.querySelector("table.deals")) announce(renewRows(fresh));
    else location.reload();
  } catch (error) {
    taken.textContent = "the dashboard does not answer; what you see is from " + taken.dataset.at;
  }
}

document.getElementById("news").addEventListener("click", () => location.reload());
document.addEventListener("visibilitychange", refresh);
hideBrokenPictures(document);
setInterval(refresh, PERIOD);
