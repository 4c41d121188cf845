// "ASINs" copies them. Without this script, or where the browser lets nobody copy, the link is a file.

const said = document.getElementById("said");

document.addEventListener("click", async (event) => {
  const link = event.target.closest("a[data-copy]");
  if (!link || !navigator.clipboard || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  const label = link.textContent;
  try {
    const answer = await fetch(link.href);
    if (!answer.ok) throw new Error(String(answer.status));
    const text = await answer.text();
    await navigator.clipboard.writeText(text);
    const count = text.split("\n").filter(Boolean).length;
    said.textContent = `${count} ${count === 1 ? "ASIN" : "ASINs"} copied`;
    link.textContent = `${count} copied`;
    setTimeout(() => { link.textContent = label; }, 2000);
  } catch {
    location.href = link.href;
  }
});
