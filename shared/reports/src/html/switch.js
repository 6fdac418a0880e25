(function () {
  var zh = document.getElementById("language-zh"), en = document.getElementById("language-en");
  function show() { document.documentElement.lang = zh.checked ? "zh-CN" : "en"; }
  var wish = location.hash.slice(1) || navigator.language;
  (/^zh/i.test(wish) ? zh : en).checked = true;
  zh.onchange = en.onchange = show;
  show();
})();
