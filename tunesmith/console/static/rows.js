// Forms with rows: data-add-row="ID" appends the row of <template id="ID-row"> to #ID.
addEventListener("click", ({ target }) => {
  const adding = target.closest("[data-add-row]");
  if (adding) {
    const { addRow: id } = adding.dataset;
    document.getElementById(id).append(document.getElementById(`${id}-row`).content.cloneNode(true));
  }
  target.closest("[data-remove-row]")?.closest("tr").remove();
});
