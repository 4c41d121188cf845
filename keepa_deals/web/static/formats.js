// Numbers, ages and moments, written by the rules that the page carries (formats.py): whole numbers only,
// halves away from zero, so that what is written here is what the server writes.

const rules = JSON.parse(document.querySelector("meta[name=formats]").content);

// size · 10 ** power, to the nearest whole number.
function scaled(size, power) {
  if (power >= 0) return size * 10n ** BigInt(power);
  const unit = 10n ** BigInt(-power);
  return (2n * size + unit) / (2n * unit);
}

function grouped(digits, notation) {
  const parts = [];
  let rest = digits, length = notation.first_group;
  while (rest.length > length) {
    parts.unshift(rest.slice(-length));
    rest = rest.slice(0, -length);
    length = notation.next_groups;
  }
  return [rest, ...parts].join(notation.group);
}

// A whole number in its notation; a dash when it is not known.
export function write(value, notation, places = notation.places) {
  if (value === null || value === undefined || Number.isNaN(value)) return rules.unknown;
  const big = BigInt(value), size = scaled(big < 0n ? -big : big, places - notation.digits);
  const text = String(size).padStart(places + 1, "0"), cut = text.length - places;
  const number = grouped(text.slice(0, cut), notation) + (places ? notation.decimal + text.slice(cut) : "");
  return `${big < 0n && size ? rules.minus : ""}${notation.before}${number}${notation.after}`;
}

export const count = (value) => write(value, rules.count);
export const percentTenths = (basisPoints) => write(basisPoints, rules.percent_tenths);
export const stars = (tenths) => write(tenths, rules.stars);
export const seconds = (milliseconds) => write(milliseconds, rules.seconds);

// How long ago that is.
export function age(time) {
  const step = rules.spans.find(([unit, limit]) => time >= unit && (limit === null || time < limit));
  return step ? rules.age.replace("{}", `${Math.floor(time / step[0])} ${step[2]}`) : rules.no_age;
}

const PARTS = { Y: [0, 4], m: [5, 7], d: [8, 10], H: [11, 13], M: [14, 16], S: [17, 19] };

// A moment in UTC, given in seconds since 1970.
export function moment(time, pattern = rules.moment) {
  const iso = new Date(Math.floor(time) * 1000).toISOString();
  return pattern.replace(/%(.)/g, (_, part) => iso.slice(...PARTS[part]));
}

export const clock = (time) => moment(time, rules.clock);
