// Ages that go on counting: <time data-age datetime="…">. The server's clock counts, not the reader's.

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

// As the server words it: see present.py.
export function ago(milliseconds) {
  const minutes = Math.floor(milliseconds / 60000);
  if (minutes < 1) return "just now";
  if (minutes < 60) return `${minutes} min ago`;
  if (minutes < 48 * 60) return `${Math.floor(minutes / 60)} h ago`;
  return `${Math.floor(minutes / 1440)} d ago`;
}

export function tick(root = document) {
  for (const time of root.querySelectorAll("time[data-age]")) {
    const text = ago(serverNow() - Date.parse(time.dateTime));
    if (time.textContent !== text) time.textContent = text;
  }
}
