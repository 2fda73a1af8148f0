// Optional: says under a password field that Caps Lock is on. The field names the element whose first child it shows.
(function () {
  "use strict";
  document.addEventListener("DOMContentLoaded", function () {
    document.querySelectorAll("input[data-capslock]").forEach(function (field) {
      var place = document.getElementById(field.dataset.capslock), hint = place && place.firstElementChild;
      if (!hint) { return; }
      function look(event) {
        if (event.getModifierState) { hint.hidden = !event.getModifierState("CapsLock"); }
      }
      ["keydown", "keyup", "mousedown"].forEach(function (kind) { field.addEventListener(kind, look); });
      field.addEventListener("blur", function () { hint.hidden = true; });
    });
  });
}());
