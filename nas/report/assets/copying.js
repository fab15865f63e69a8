"use strict";
// The copy buttons of commands. A page opened from a file may have no clipboard: then the text is selected.
for (const button of document.querySelectorAll("button.copy")) {
  const command = button.parentElement.querySelector("code");
  const select = () => {
    const range = document.createRange();
    range.selectNodeContents(command);
    window.getSelection().removeAllRanges();
    window.getSelection().addRange(range);
  };
  button.addEventListener("click", async () => {
    let result = "copied";
    try {
      await navigator.clipboard.writeText(command.textContent);
    } catch {
      select();
      result = document.execCommand("copy") ? "copied" : "selected";
    }
    button.textContent = result;
    setTimeout(() => { button.textContent = "copy"; }, 1500);
  });
}
