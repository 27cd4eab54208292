// How numbers and times are written. Each is a value and a unit, so that a
// column can align both.

const binary = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];

// bytes is [value, unit]: three digits at the most are enough to compare by.
export function bytes(n) {
  let i = 0;
  while (n >= 1023.5 && i < binary.length - 1) {
    n /= 1024;
    i++;
  }
  return [i === 0 || n >= 99.95 ? n.toFixed(0) : n >= 9.995 ? n.toFixed(1) : n.toFixed(2), binary[i]];
}

export function speed(n) {
  const [value, unit] = bytes(n);
  return [value, unit + "/s"];
}

export function count(n) {
  return Math.round(n).toLocaleString("en-US").replaceAll(",", "\u202f"); // a narrow space
}

export function perSecond(n) {
  return n === 0 || n >= 10 ? count(n) : n.toFixed(1);
}

const spans = [[86400, "d"], [3600, "h"], [60, "m"], [1, "s"]];

// span is a time in seconds, in its two largest units: 3 h 12 m.
export function span(seconds) {
  if (seconds < 10) return seconds.toFixed(1) + " s";
  let left = Math.floor(seconds), parts = [];
  for (const [size, unit] of spans) {
    if (left >= size || parts.length > 0) parts.push(Math.floor(left / size) + " " + unit);
    left %= size;
    if (parts.length === 2) break;
  }
  return parts.join(" ");
}

// clock is the time of day, with the day when it is not today.
export function clock(time, now = new Date()) {
  const at = new Date(time);
  const hours = at.toLocaleTimeString("en-GB");
  return at.toDateString() === now.toDateString() ? hours : at.toLocaleDateString("en-CA") + " " + hours;
}

export function many(n, one) {
  return count(n) + " " + one + (n === 1 ? "" : "s");
}
