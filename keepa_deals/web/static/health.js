// Renews the health page part by part, so that what is being read or used stays where it is.
// Without this script the page reloads itself.

import { setServerTime, tick } from "./ages.js";
import { drawAll } from "./chart.js";

const PERIOD = 15000;

function inUse(part) {
  const open = part.querySelector("details[open]");
  return part.contains(document.activeElement) || open !== null || part.matches(":hover");
}

async function renew() {
  if (document.hidden) return;
  const unanswered = document.getElementById("unanswered");
  try {
    const answer = await fetch(location.href, { headers: { Accept: "text/html" }, cache: "no-store" });
    if (answer.status === 401) return location.reload();
    if (!answer.ok) throw new Error(String(answer.status));
    setServerTime(new Date(answer.headers.get("Date")).toISOString());
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    document.title = fresh.title;
    for (const part of document.querySelectorAll("[data-live]")) {
      const now = fresh.querySelector(`[data-live="${part.dataset.live}"]`);
      if (!now || inUse(part)) continue;
      part.replaceChildren(...document.importNode(now, true).childNodes);
      drawAll(part);
    }
    unanswered.hidden = true;
  } catch {
    unanswered.hidden = false;
  }
  tick();
}

document.addEventListener("visibilitychange", renew);
document.addEventListener("keepa_deals:refresh", renew);
setInterval(renew, PERIOD);
