"use strict";
// Columns sort when their heading is pressed; a fold opens when a link leads to it.
const key = (cell) => {
  const text = cell.textContent.trim();
  const number = parseFloat(text.replace(/[,+]/g, "").replace("\u2212", "-"));
  return { text, number, known: text !== "" && text !== "\u2013" };
};
const compare = (first, second) => {
  if (first.known !== second.known) return 0;
  return isNaN(first.number) || isNaN(second.number)
    ? first.text.localeCompare(second.text)
    : first.number - second.number;
};
for (const table of document.querySelectorAll("table")) {
  const body = table.tBodies[0];
  if (body.rows.length < 2) continue;
  table.querySelectorAll("thead th").forEach((heading, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...heading.childNodes);
    heading.append(button);
    button.addEventListener("click", () => {
      const down = heading.getAttribute("aria-sort") === "ascending";
      table.querySelectorAll("th[aria-sort]").forEach((other) => other.removeAttribute("aria-sort"));
      heading.setAttribute("aria-sort", down ? "descending" : "ascending");
      const rows = [...body.rows].map((row) => ({ row, key: key(row.cells[column]) }));
      rows.sort((a, b) => b.key.known - a.key.known || compare(a.key, b.key) * (down ? -1 : 1));
      body.append(...rows.map((entry) => entry.row));
    });
  });
}
const reveal = () => {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (target instanceof HTMLDetailsElement) target.open = true;
};
addEventListener("hashchange", reveal);
reveal();
