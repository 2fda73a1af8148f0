// Optional: a list that answers while one types. Without it the form is sent by its button. The form's data-live names
// the parts of the page that are filled anew, the list last; the address follows, so that every view is a link. Down goes
// from the field into the list and along it, Up goes back.
(function () {
  "use strict";
  var PAUSE_MS = 250;
  document.addEventListener("DOMContentLoaded", function () {
    var form = document.querySelector("form[data-live]"), field = form && form.querySelector("input[type=search]");
    if (!field || !window.fetch || !window.DOMParser || !window.AbortController) { return; }
    var parts = form.dataset.live.split(" ").map(function (id) { return document.getElementById(id); });
    var list = parts[parts.length - 1], timer = 0, asking = null, shown = address();
    if (parts.indexOf(null) >= 0) { return; }

    function address() {
      var query = new URLSearchParams(new FormData(form));
      Array.from(query.keys()).forEach(function (name) { if (!query.get(name).trim()) { query.delete(name); } });
      return form.getAttribute("action") + (query.toString() ? "?" + query : "");
    }
    function ask() {
      var wanted = address();
      window.clearTimeout(timer);
      if (asking) { asking.abort(); }
      if (wanted === shown) { return; }
      asking = new AbortController();
      fetch(wanted, { credentials: "same-origin", signal: asking.signal }).then(function (answer) {
        // A sign-in page or an error is no list: the button will show it.
        if (!answer.ok || answer.redirected) { throw new Error("no list"); }
        return answer.text();
      }).then(function (text) {
        var page = new DOMParser().parseFromString(text, "text/html");
        parts.forEach(function (part) {
          var found = page.getElementById(part.id);
          part.replaceChildren.apply(part, found ? Array.from(found.childNodes) : []);
        });
        shown = wanted;
        window.history.replaceState(null, "", wanted);
      }).catch(function () { /* what is shown stays; the button asks again */ });
    }
    function links() { return Array.from(list.querySelectorAll("tbody .first a")); }

    field.addEventListener("input", function () {
      window.clearTimeout(timer);
      timer = window.setTimeout(ask, PAUSE_MS);
    });
    form.querySelectorAll("select").forEach(function (choice) { choice.addEventListener("change", ask); });
    field.addEventListener("keydown", function (event) {
      var first = links()[0];
      if (event.key === "ArrowDown" && first) { event.preventDefault(); first.focus(); }
    });
    list.addEventListener("keydown", function (event) {
      var all = links(), here = all.indexOf(document.activeElement);
      if (here < 0 || (event.key !== "ArrowDown" && event.key !== "ArrowUp")) { return; }
      event.preventDefault();
      (event.key === "ArrowDown" ? all[Math.min(here + 1, all.length - 1)] : all[here - 1] || field).focus();
    });
  });
}());
