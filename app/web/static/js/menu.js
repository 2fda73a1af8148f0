// Optional: the account menu is a <details> and works alone. With this, Esc and a click elsewhere close it.
(function () {
  "use strict";
  function close(menu, focus) {
    if (!menu.open) { return; }
    menu.open = false;
    if (focus) { menu.querySelector("summary").focus(); }
  }
  document.addEventListener("DOMContentLoaded", function () {
    var menu = document.querySelector("details.account");
    if (!menu) { return; }
    document.addEventListener("keydown", function (event) {
      if (event.key === "Escape") { close(menu, menu.contains(document.activeElement)); }
    });
    document.addEventListener("click", function (event) {
      if (!menu.contains(event.target)) { close(menu, false); }
    });
  });
}());
