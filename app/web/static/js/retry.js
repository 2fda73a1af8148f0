// Loads a page again that could not show everything, when the visitor would not notice or mind: not while a menu is
// open or the tab is in the background. Without JavaScript a meta element of the page does it.
(function () {
  "use strict";
  var own = document.currentScript, seconds = Number(own.dataset.seconds), address = own.dataset.address;
  if (!(seconds > 0) || !address) { return; }
  function again() {
    if (document.hidden || document.querySelector("details.account[open]")) { window.setTimeout(again, 2000); return; }
    window.location.replace(address);
  }
  window.setTimeout(again, seconds * 1000);
}());
