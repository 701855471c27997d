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

// A table of many rows has a box: rows that hold all its words stay.
const MANY = 12;
for (const table of document.querySelectorAll("figure.table table")) {
  const rows = [...table.tBodies[0].rows];
  if (rows.length <= MANY) continue;
  const box = document.createElement("input"), line = document.createElement("div"), count = document.createElement("span");
  box.type = "search";
  box.placeholder = `Search ${rows.length} rows`;
  box.setAttribute("aria-label", `Search the rows of this table`);
  line.className = "search";
  line.append(box, count);
  table.closest(".scroll").before(line);
  const texts = rows.map((row) => row.textContent.toLowerCase());
  box.addEventListener("input", () => {
    const words = box.value.toLowerCase().split(/\s+/).filter(Boolean);
    rows.forEach((row, k) => { row.hidden = !words.every((word) => texts[k].includes(word)); });
    const left = rows.filter((row) => !row.hidden).length;
    count.textContent = words.length ? `${left} of ${rows.length}` : "";
  });
}

// Answers side by side: the two rows that are chosen are shown, in the order of the choices.
for (const block of document.querySelectorAll(".answers")) {
  const choices = [...block.querySelectorAll("select")];
  block.querySelector(".choices").hidden = false;
  const show = () => {
    const chosen = choices.map((choice) => choice.value);
    for (const card of block.querySelectorAll(".card")) {
      card.hidden = !chosen.includes(card.dataset.row);
      card.style.order = chosen.indexOf(card.dataset.row);
    }
  };
  for (const choice of choices) choice.addEventListener("change", show);
  show();
}
