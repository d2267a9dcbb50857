"use strict";
// Buttons that copy the text of an element, which they name.

document.addEventListener("click", async (event) => {
  const button = event.target.closest("button[data-copies]");
  if (!button) return;
  await navigator.clipboard.writeText(document.getElementById(button.dataset.copies).textContent);
  const word = button.textContent;
  button.textContent = document.body.dataset.copied;
  setTimeout(() => (button.textContent = word), 1500);
});
