// Sorting and filtering of the table of cells. The page is whole without it.
"use strict";
(() => {
  const table = document.getElementById("cells");
  const tools = document.getElementById("tools");
  if (!table || !tools) return;
  const body = table.tBodies[0];
  const rows = [...body.rows];

  const value = (row, column) => {
    const cell = row.cells[column];
    const key = cell.dataset.sort;
    return key === undefined ? (cell.querySelector("code") ?? cell).textContent.trim() : Number(key);
  };
  const compare = (a, b) => {
    if (a === "" || b === "") return (a === "") - (b === "");
    return typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b));
  };

  let sorted = { column: -1, up: true };
  const sortBy = (column) => {
    sorted = { column, up: sorted.column === column ? !sorted.up : true };
    const empty = (row) => value(row, column) === "";
    const order = [...rows].sort((a, b) => {
      if (empty(a) !== empty(b)) return empty(a) - empty(b);
      return compare(value(a, column), value(b, column)) * (sorted.up ? 1 : -1);
    });
    body.append(...order);
    [...table.tHead.rows[0].cells].forEach((head, i) => {
      if (i === column) head.setAttribute("aria-sort", sorted.up ? "ascending" : "descending");
      else head.removeAttribute("aria-sort");
    });
  };
  [...table.tHead.rows[0].cells].forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = head.textContent;
    button.addEventListener("click", () => sortBy(column));
    head.replaceChildren(button);
  });

  const field = (text, control) => {
    const label = document.createElement("label");
    label.append(text, control);
    tools.append(label);
    return control;
  };
  const words = field("Cells that contain", Object.assign(document.createElement("input"), { type: "search", id: "filter-text" }));
  const state = field("Verdict", Object.assign(document.createElement("select"), { id: "filter-state" }));
  const states = [...new Set(rows.map((row) => row.className))];
  state.append(new Option("all", ""), ...states.map((name) => new Option(name.replace(/_/g, " "), name)));
  const said = document.createElement("p");
  said.setAttribute("role", "status");
  tools.append(said);

  const filter = () => {
    const wanted = words.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const row of rows) {
      const id = row.cells[1].querySelector("code").textContent.toLowerCase();
      const fits = (!state.value || row.className === state.value) && wanted.every((word) => id.includes(word));
      row.hidden = !fits;
      shown += fits;
    }
    said.textContent = `${shown} of ${rows.length} rows`;
  };
  words.addEventListener("input", filter);
  state.addEventListener("change", filter);
  tools.hidden = false;
  filter();
})();
