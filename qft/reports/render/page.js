// A click on a column's heading sorts by it; a second one turns the order round. Cells without a number come last.
for (const button of document.querySelectorAll(".sortable button")) {
  button.addEventListener("click", () => {
    const head = button.closest("th"), body = head.closest("table").tBodies[0], column = head.cellIndex;
    const down = head.getAttribute("aria-sort") === "ascending";
    for (const other of head.parentNode.cells) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    const key = (row) => row.cells[column].dataset.v ?? row.cells[column].textContent.trim();
    const number = (row) => (row.cells[column].dataset.v === undefined ? NaN : Number(row.cells[column].dataset.v));
    const numeric = [...body.rows].some((row) => !Number.isNaN(number(row)));
    const order = (a, b) => {
      if (!numeric) return (down ? -1 : 1) * key(a).localeCompare(key(b), undefined, { numeric: true });
      const x = number(a), y = number(b);
      if (Number.isNaN(x) || Number.isNaN(y)) return Number.isNaN(x) - Number.isNaN(y);
      return (down ? -1 : 1) * (x - y);
    };
    body.append(...[...body.rows].sort(order));
  });
}
