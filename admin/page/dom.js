// Elements, made once and then only told what has changed. All text is
// textContent: a name can never become markup.

export function make(tag, attributes = {}, ...children) {
  const e = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) e.setAttribute(name, value);
  e.append(...children);
  return e;
}

export function text(e, s) {
  if (e.textContent !== s) e.textContent = s;
}

export function attribute(e, name, value) {
  if (e.getAttribute(name) !== value) e.setAttribute(name, value);
}

export function hide(e, yes) {
  if (e.hidden !== yes) e.hidden = yes;
}

// amount writes a value and its unit.
export function amount(e, [value, unit]) {
  if (!e.firstChild) e.append(make("span", { class: "value" }), make("span", { class: "unit" }));
  text(e.firstChild, value);
  text(e.lastChild, unit);
}

// table makes a table of columns {name, of, class}; a phone shows each row as
// a card, which takes the roles away that the tags have, so they are said.
export function table(label, columns) {
  const head = make("tr", { role: "row" });
  for (const c of columns) {
    head.append(make("th", { role: "columnheader", scope: "col", class: c.class ?? c.of }, c.name));
  }
  const body = make("tbody", { role: "rowgroup" });
  const t = make("table", { role: "table", "aria-label": label }, make("thead", { role: "rowgroup" }, head), body);
  return { table: t, body };
}

export function row(columns) {
  const cells = {};
  const tr = make("tr", { role: "row" });
  for (const c of columns) {
    cells[c.of] = make("td", { role: "cell", class: c.class ?? c.of, "data-name": c.name });
    tr.append(cells[c.of]);
  }
  return { tr, cells };
}

// reconcile makes parent's children those of list, in its order: kept holds
// them by key, make(item) makes what is new, update(view, item) tells the rest.
export function reconcile(parent, kept, list, keyOf, make, update) {
  const wanted = new Set(list.map(keyOf));
  for (const [key, view] of kept) {
    if (wanted.has(key)) continue;
    view.element.remove();
    kept.delete(key);
  }
  let at = parent.firstElementChild;
  for (const item of list) {
    const key = keyOf(item);
    let view = kept.get(key);
    if (!view) kept.set(key, (view = make(item)));
    update(view, item);
    if (view.element === at) at = at.nextElementSibling;
    else parent.insertBefore(view.element, at);
  }
}
