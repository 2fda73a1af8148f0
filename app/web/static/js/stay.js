// Optional: two minutes before a session ends by itself it asks whether to stay. Without it the page that is asked for
// next leads to the sign-in and back. Every page of this browser counts: a newer one puts the warning off.
(function () {
  "use strict";
  var WARN_S = 120, own = document.currentScript, left = Number(own.dataset.left), warning = 0, ending = 0;
  var others = window.BroadcastChannel ? new BroadcastChannel("twinpurse-stay") : null;
  document.addEventListener("DOMContentLoaded", function () {
    var box = document.getElementById("stay");
    if (!box || !box.showModal || left <= WARN_S) { return; }
    var button = box.querySelector("button"), over = box.querySelector(".over");
    function begin() {
      window.clearTimeout(warning);
      window.clearTimeout(ending);
      if (box.open) { box.close(); }
      warning = window.setTimeout(function () { box.showModal(); }, (left - WARN_S) * 1000);
      ending = window.setTimeout(end, left * 1000);
    }
    function used() {
      begin();
      if (others) { others.postMessage("used"); }
    }
    function end() {
      button.hidden = true;
      over.hidden = false;
      over.querySelector("a").href = window.location.href;
      if (!box.open) { box.showModal(); }
    }
    if (others) { others.onmessage = begin; }
    button.addEventListener("click", function () {
      fetch(own.dataset.stay, { redirect: "manual" })
        .then(function (answer) { if (answer.status === 204) { used(); } else { end(); } })
        .catch(function () { box.close(); });
    });
    used();
  });
}());
