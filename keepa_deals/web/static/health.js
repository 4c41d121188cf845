// Renews the health page part by part, so that what is being read or used stays where it is.
// Without this script the page reloads itself.

import { setServerTime, tick } from "./relative_time.js";
import { drawAll } from "./chart.js";

const PERIOD = 15000;

const RESTING = 30000;
const REACHED = "a, button, summary, [tabindex]";
let moved = 0;

// Somebody reads values under the pointer. A pointer that rests holds nothing up.
function inUse(part) {
  return part.matches(":hover") && Date.now() - moved < RESTING;
}

function replace(part, fresh) {
  const open = [...part.querySelectorAll("details")].map((details) => details.open);
  const focused = [...part.querySelectorAll(REACHED)].indexOf(document.activeElement);
  part.replaceChildren(...document.importNode(fresh, true).childNodes);
  part.querySelectorAll("details").forEach((details, i) => { details.open = open[i]; });
  if (focused >= 0) part.querySelectorAll(REACHED)[focused]?.focus({ preventScroll: true });
  drawAll(part);
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
      replace(part, now);
    }
    unanswered.hidden = true;
  } catch {
    unanswered.hidden = false;
  }
  tick();
}

document.addEventListener("pointermove", () => { moved = Date.now(); }, { passive: true });
document.addEventListener("visibilitychange", renew);
document.addEventListener("keepa_deals:refresh", renew);
setInterval(renew, PERIOD);
