// A trace is a line of what somebody did in the last five minutes.

const svg = "http://www.w3.org/2000/svg";
const steps = 60;

export function makeTrace() {
  const e = document.createElementNS(svg, "svg");
  e.setAttribute("viewBox", `0 0 ${steps - 1} 20`);
  e.setAttribute("preserveAspectRatio", "none");
  e.setAttribute("role", "img");
  const area = document.createElementNS(svg, "path");
  area.setAttribute("class", "area");
  const line = document.createElementNS(svg, "path");
  line.setAttribute("class", "line");
  e.append(area, line);
  return e;
}

// drawTrace draws numbers, the latest at the right edge, on a scale that ends
// at most. say makes the words for those who do not see it.
export function drawTrace(e, numbers, most, say) {
  const [area, line] = e.children;
  const drawn = numbers.join() + "/" + most;
  if (e.drawn === drawn) return;
  e.drawn = drawn;
  const from = steps - numbers.length;
  const y = (n) => (19 - 18 * (most > 0 ? n / most : 0)).toFixed(2);
  const points = numbers.map((n, i) => `${from + i} ${y(n)}`);
  line.setAttribute("d", points.length > 1 ? "M" + points.join("L") : "");
  area.setAttribute("d", points.length > 1 ? `M${from} 20L${points.join("L")}L${steps - 1} 20Z` : "");
  e.setAttribute("aria-label", numbers.length > 0 ? `in five minutes at most ${say(Math.max(...numbers))}` : "nothing yet");
}

export function mostOf(traces) {
  let most = 0;
  for (const t of traces) for (const n of t) most = Math.max(most, n);
  return most;
}
