"use strict";

const DATA = JSON.parse(document.getElementById("data").textContent);
const byId = (id) => document.getElementById(id);

// Charts.
const options = {
  responsive: true,
  displaylogo: false,
  showSendToCloud: false,
  plotlyServerURL: "",
  modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d"],
};
for (const [place, figure] of Object.entries(DATA.figures)) {
  Plotly.newPlot(place, figure.data, figure.layout, options);
}

// Tables: a heading sorts by its column, and the other way round the second time. What there is not comes last.
const order = new Intl.Collator("en", { numeric: true });

function compare(one, other) {
  if (one.dataset.value === undefined) return order.compare(one.textContent, other.textContent);
  return Number(one.dataset.value) - Number(other.dataset.value);
}

function sort(heading) {
  const column = heading.cellIndex;
  const body = heading.closest("table").tBodies[0];
  const down = heading.getAttribute("aria-sort") === "ascending";
  for (const other of heading.parentNode.cells) other.removeAttribute("aria-sort");
  heading.setAttribute("aria-sort", down ? "descending" : "ascending");
  const missing = (row) => row.cells[column].dataset.value === "";
  const rows = [...body.rows].sort((one, other) => {
    if (missing(one) || missing(other)) return missing(one) - missing(other);
    return (down ? -1 : 1) * compare(one.cells[column], other.cells[column]);
  });
  body.append(...rows);
}

for (const heading of document.querySelectorAll("th")) {
  heading.firstElementChild.addEventListener("click", () => sort(heading));
}

// The anchor of BD-rates.
const anchor = byId("anchor");
if (anchor) {
  const tables = document.querySelectorAll(".against");
  anchor.addEventListener("change", () => tables.forEach((table, i) => { table.hidden = i !== anchor.selectedIndex; }));
}

// Rows with some words.
const all = [...byId("all").querySelectorAll("tbody tr")];
const lowered = new Map(all.map((row) => [row, row.textContent.toLowerCase()]));

function filter() {
  const words = byId("words").value.toLowerCase().split(/\s+/);
  let count = 0;
  for (const row of all) {
    row.hidden = !words.every((word) => lowered.get(row).includes(word));
    count += !row.hidden;
  }
  byId("count").textContent = `${count} of ${all.length} rows`;
}

byId("words").addEventListener("input", filter);
filter();
