// Ages that go on counting: <time data-age datetime="…">. The server's clock counts, not the reader's.

import { age } from "./formats.js";

let ahead = 0; // milliseconds by which the server's clock is ahead of this one

export function setServerTime(iso) {
  ahead = Date.parse(iso) - Date.now();
}

// Where the server's is not known.
export function useOwnClock() {
  ahead = 0;
}

export function serverNow() {
  return Date.now() + ahead;
}

export function tick(root = document) {
  for (const time of root.querySelectorAll("time[data-age]")) {
    const text = age((serverNow() - Date.parse(time.dateTime)) / 1000);
    if (time.textContent !== text) time.textContent = text;
  }
}
