for (const table of document.querySelectorAll("table.sortable")) {
  table.querySelectorAll("thead th").forEach((head, column) => {
    if (!head.textContent || head.querySelector("[data-fixed]")) return;
    const button = document.createElement("button");
    button.append(...head.childNodes);
    head.append(button);
    button.onclick = () => {
      const falling = head.getAttribute("aria-sort") !== "descending";
      table.querySelectorAll("thead th").forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", falling ? "descending" : "ascending");
      const value = (row) => row.children[column].textContent.replaceAll(",", "");
      const body = table.tBodies[0];
      const numbers = [...body.rows].every((row) => value(row) === "-" || !Number.isNaN(Number(value(row))));
      const key = (row) => (value(row) === "-" ? -Infinity : Number(value(row)));
      const order = (a, b) => (numbers ? key(a) - key(b) : value(a).localeCompare(value(b)));
      body.append(...[...body.rows].sort((a, b) => (falling ? order(b, a) : order(a, b))));
    };
  });
}
