// Renews the health page in place, so that what is being read stays where it is. Without this script the
// page reloads itself.
"use strict";

async function renew() {
  const main = document.getElementById("main");
  if (document.hidden || main.contains(document.activeElement)) return;
  try {
    const answer = await fetch(location.href, { headers: { Accept: "text/html" }, cache: "no-store" });
    if (!answer.ok) throw new Error(String(answer.status));
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    main.replaceChildren(...document.importNode(fresh.getElementById("main"), true).childNodes);
  } catch (error) {
    document.getElementById("unanswered").hidden = false;
  }
}

document.addEventListener("visibilitychange", renew);
setInterval(renew, 15000);
