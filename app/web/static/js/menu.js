// Optional: the account menu and the folded pages are <details> and work alone. With this, Esc closes whichever is open,
// and a click elsewhere the account menu.
(function () {
  "use strict";
  function close(menu, focus) {
    if (!menu || !menu.open) { return false; }
    menu.open = false;
    if (focus) { menu.querySelector("summary").focus(); }
    return true;
  }
  document.addEventListener("DOMContentLoaded", function () {
    var menu = document.querySelector("details.account");
    document.addEventListener("keydown", function (event) {
      if (event.key !== "Escape" || document.querySelector("dialog[open]")) { return; }
      if (close(menu, menu && menu.contains(document.activeElement))) { return; }
      document.querySelectorAll("nav details.fold[open]").forEach(function (fold) {
        close(fold, fold.contains(document.activeElement));
      });
    });
    document.addEventListener("click", function (event) {
      if (menu && !menu.contains(event.target)) { close(menu, false); }
    });
  });
}());
