"use strict";
// Copy buttons beside commands. A page that was opened from a file may have no clipboard: then the text is selected.
for (const button of document.querySelectorAll("button.copy")) {
  const command = button.parentElement.querySelector("code");
  const mark = () => {
    const range = document.createRange();
    range.selectNodeContents(command);
    window.getSelection().removeAllRanges();
    window.getSelection().addRange(range);
  };
  button.addEventListener("click", async () => {
    let done = "copied";
    try {
      await navigator.clipboard.writeText(command.textContent);
    } catch {
      mark();
      done = document.execCommand("copy") ? "copied" : "selected";
    }
    button.textContent = done;
    setTimeout(() => { button.textContent = "copy"; }, 1500);
  });
}
