// Optional: without it the Look buttons load a page that sets the cookie. With it the look changes in place.
(function () {
  "use strict";
  document.addEventListener("DOMContentLoaded", function () {
    var form = document.querySelector("form.switch");
    if (!form || !window.fetch) { return; }
    var buttons = form.querySelectorAll("button[name=value]");
    form.addEventListener("submit", function (event) {
      var chosen = event.submitter;
      if (!chosen) { return; }
      event.preventDefault();
      var root = document.documentElement;
      if (chosen.value === "system") { root.removeAttribute("data-theme"); } else { root.setAttribute("data-theme", chosen.value); }
      buttons.forEach(function (button) { button.setAttribute("aria-pressed", String(button === chosen)); });
      // The answer is a redirect whose cookie is all that counts; following it would fetch a page for nothing.
      fetch(form.action + "?value=" + encodeURIComponent(chosen.value), { redirect: "manual" })
        .catch(function () { /* the look holds on this page only */ });
    });
  });
}());
