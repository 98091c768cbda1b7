// Refreshes the page in place while nobody types, reads a table or opened anything.
setInterval(async () => {
  const busy = document.activeElement?.matches("input, select, summary") || document.querySelector("details[open]") || String(getSelection());
  if (document.hidden || busy) return;
  try {
    const reply = await fetch(location.href, {headers: {Accept: "text/html"}});
    if (!reply.ok) return;
    const page = new DOMParser().parseFromString(await reply.text(), "text/html");
    const focus = document.activeElement?.getAttribute("href");
    for (const part of ["header", "main", "footer"]) document.querySelector(part).replaceWith(page.querySelector(part));
    if (focus) document.querySelector(`a[href="${CSS.escape(focus)}"]`)?.focus({preventScroll: true});
  } catch { /* the node is away: what is shown says of when it is */ }
}, 5000);
