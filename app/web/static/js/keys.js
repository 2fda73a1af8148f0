// Optional: single keys. "/" goes to the search or filter of the page, "g" and a letter to a tab, "?" shows them all.
// They are off while somebody types; who wants none switches them off at the help's address (WCAG 2.2, 2.1.4).
(function () {
  "use strict";
  var own = document.currentScript, went = false, timer = 0, places = {};
  own.dataset.go.trim().split(" ").forEach(function (word, at, all) { if (at % 2) { places[all[at - 1]] = word; } });

  function types(element) {
    return element.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(element.tagName);
  }
  function search() {
    var place = document.querySelector("main input[type=search], main search :is(input:not([type=hidden]), select), main form[role=search] input");
    if (!place) { return false; }
    var fold = place.closest("details");
    if (fold) { fold.open = true; }
    place.focus();
    if (place.select) { place.select(); }
    return true;
  }
  function dialog(content) {
    var box = document.createElement("dialog"), row = document.createElement("form"), button = document.createElement("button");
    box.className = "asked";
    content.querySelector("h1").id = "keys-h";
    box.setAttribute("aria-labelledby", "keys-h");
    row.method = "dialog";
    button.className = "btn quiet small";
    button.textContent = own.dataset.close;
    button.autofocus = true;
    row.append(button);
    box.append(content, row);
    document.body.append(box);
    box.addEventListener("close", function () { box.remove(); });
    box.showModal();
  }
  function help() {
    if (document.querySelector("dialog[open]")) { return; }
    fetch(own.dataset.help)
      .then(function (answer) { return answer.text(); })
      .then(function (text) { dialog(new DOMParser().parseFromString(text, "text/html").getElementById("keys")); })
      .catch(function () { window.location.assign(own.dataset.help); });
  }
  document.addEventListener("keydown", function (event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || types(event.target)) { return; }
    if (document.querySelector("dialog[open]")) { return; }
    var following = went && places[event.key];
    went = false;
    window.clearTimeout(timer);
    if (following) { event.preventDefault(); window.location.assign(following); return; }
    if (event.key === "g") { went = true; timer = window.setTimeout(function () { went = false; }, 1500); }
    if (event.key === "?") { event.preventDefault(); help(); }
    if (event.key === "/" && search()) { event.preventDefault(); }
  });
}());
