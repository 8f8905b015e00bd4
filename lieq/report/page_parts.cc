#include "lieq/report/page_parts.h"

namespace lieq::report {

const char* const kPageStyle = R"css(
:root{color-scheme:light dark;--paper:#fff;--ink:#1f2328;--text:#3d444d;--quiet:#6e7781;--edge:#d8dee4;
  --soft:#f6f8fa;--link:#0b62c4}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--text);
  font:15px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,Helvetica,Arial,sans-serif}
main,header,footer{max-width:1088px;margin:0 auto;padding:0 24px}
header{padding-top:40px}
h1,h2,h3{color:var(--ink);line-height:1.25;text-wrap:balance;overflow-wrap:anywhere}
h1{font-size:30px;margin:0 0 4px}
h2{font-size:23px;margin:56px 0 16px;padding-top:20px;border-top:1px solid var(--edge)}
h3{font-size:18px;margin:0}
p{margin:4px 0;max-width:76ch;overflow-wrap:anywhere}
.quiet,.note{color:var(--quiet);font-size:13px}
a{color:var(--link)}
nav{display:flex;flex-wrap:wrap;gap:4px 16px;margin:16px 0 0;font-size:14px}
nav a{text-decoration:none}nav a:hover{text-decoration:underline}
.tiles{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,230px),1fr));gap:12px;margin:0 0 36px}
.tile{background:var(--soft);border-radius:10px;padding:14px 16px}
.tile b{display:block;color:var(--ink);font-size:26px;line-height:1.2;font-weight:650;margin:2px 0}
.tile span{display:block;font-size:13px;overflow-wrap:anywhere}
.tile .name{font-weight:600;color:var(--ink)}
header+main>section:first-child{padding-top:32px}
nav b{color:var(--ink);font-weight:600}
figure{margin:0 0 52px;break-inside:avoid}
.legend{display:flex;flex-wrap:wrap;gap:2px 18px;margin:10px 0 0;font-size:13px;line-height:22px}
.legend span{display:inline-flex;align-items:center;gap:6px;overflow-wrap:anywhere}
.legend svg{flex:none}
.panels{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,310px),1fr));gap:24px 28px;
  margin:16px 0 8px}
.panels.one{grid-template-columns:100%}
.panel{display:block;width:100%;height:auto;max-width:480px}
.one .panel{max-width:100%}
.phone{display:none}
svg.panel .mark{outline:none}
svg.panel .mark.on>*{stroke:var(--ink)!important;stroke-width:2px}
svg.panel .mark.on>text{stroke:none!important}
svg.panel .mark.on>.hit{fill:var(--ink)}
details{margin:6px 0;font-size:13px}
summary{cursor:pointer;color:var(--link);width:max-content;max-width:100%}
.scroll{overflow:auto;max-height:440px;margin:8px 0;border:1px solid var(--edge);border-radius:8px}
table{border-collapse:collapse;font-variant-numeric:tabular-nums;width:100%}
th,td{padding:4px 12px;text-align:left;white-space:nowrap}
th{position:sticky;top:0;background:var(--soft);color:var(--ink);font-weight:600}
td{border-top:1px solid var(--edge)}
.n{text-align:right}
.wrap td{white-space:normal;overflow-wrap:anywhere;vertical-align:top}
.wrap td:first-child{min-width:10em}
button{font:inherit;font-size:12px;color:var(--link);background:none;border:1px solid var(--edge);
  border-radius:6px;padding:2px 10px;cursor:pointer}
code{font-size:13px;overflow-wrap:anywhere}
footer{margin-top:40px;padding-bottom:40px}
#tip{position:fixed;left:0;top:0;z-index:9;max-width:min(340px,92vw);padding:7px 11px;border-radius:8px;
  background:var(--ink);color:var(--paper);font-size:12.5px;line-height:1.45;white-space:pre-line;
  overflow-wrap:anywhere;pointer-events:none;visibility:hidden;font-variant-numeric:tabular-nums}
@media screen and (prefers-color-scheme:dark){
:root{--paper:#0d1117;--ink:#e6edf3;--text:#c5cdd5;--quiet:#8b949e;--edge:#30363d;--soft:#161b22;--link:#6cb0ff}
}
@media screen and (max-width:680px){
main,header,footer{padding:0 16px}
header{padding-top:24px}
h1{font-size:24px}
h2{font-size:20px;margin-top:40px}
figure{margin-bottom:40px}
.phone{display:block}
.desk{display:none!important}
th,td{padding:4px 8px}
}
@media print{
p{max-width:none}
body{font-size:10.5pt;print-color-adjust:exact;-webkit-print-color-adjust:exact}
main,header,footer{max-width:none;padding:0}
header{padding-top:0}
nav,button,#tip,details:not([open]){display:none}
.panels:not(.one){grid-template-columns:repeat(3,1fr);gap:12px}
.scroll{max-height:none;overflow:visible}
h2,h3{break-after:avoid}
h2{margin-top:24px}
figure{margin-bottom:28px}
.tile{border:1px solid var(--edge)}
th{position:static}
}
)css";

const char* const kPageScript = R"js(
(() => {
  const tip = document.createElement('div');
  tip.id = 'tip';
  tip.setAttribute('role', 'status');
  document.body.append(tip);
  let current = null;
  const hide = () => {
    if (current) current.classList.remove('on');
    current = null;
    tip.style.visibility = 'hidden';
  };
  const show = (mark) => {
    if (mark === current) return;
    hide();
    current = mark;
    mark.classList.add('on');
    tip.textContent = mark.dataset.tip;
    const box = mark.getBoundingClientRect(), own = tip.getBoundingClientRect();
    const left = Math.min(Math.max(box.left + box.width / 2 - own.width / 2, 6), innerWidth - own.width - 6);
    const above = box.top - own.height - 8;
    tip.style.left = left + 'px';
    tip.style.top = (above > 4 ? above : box.bottom + 8) + 'px';
    tip.style.visibility = 'visible';
  };
  const nearest = (marks, x, y) => {
    let best = null, least = 26;
    for (const mark of marks) {
      const box = mark.getBoundingClientRect();
      const dx = Math.max(box.left - x, 0, x - box.right), dy = Math.max(box.top - y, 0, y - box.bottom);
      const middle = Math.hypot((box.left + box.right) / 2 - x, (box.top + box.bottom) / 2 - y);
      const far = Math.hypot(dx, dy) + 0.01 * middle;
      if (far < least) [best, least] = [mark, far];
    }
    return best;
  };
  for (const svg of document.querySelectorAll('svg.panel')) {
    const marks = [...svg.querySelectorAll('.mark')];
    if (!marks.length) continue;
    svg.setAttribute('role', 'group');
    marks.forEach((mark, i) => {
      const title = mark.querySelector('title');
      mark.dataset.tip = title.textContent;
      mark.setAttribute('role', 'img');
      mark.setAttribute('aria-label', title.textContent.replaceAll('\n', ', '));
      mark.setAttribute('tabindex', i ? -1 : 0);
      title.remove();
    });
    const point = (event) => {
      const mark = nearest(marks, event.clientX, event.clientY);
      mark ? show(mark) : hide();
    };
    svg.addEventListener('pointermove', point);
    svg.addEventListener('pointerdown', point);
    svg.addEventListener('pointerleave', (event) => { if (event.pointerType === 'mouse') hide(); });
    svg.addEventListener('focusin', (event) => { if (marks.includes(event.target)) show(event.target); });
    svg.addEventListener('focusout', hide);
    svg.addEventListener('keydown', (event) => {
      const at = marks.indexOf(document.activeElement), last = marks.length - 1;
      const keys = {ArrowRight: at + 1, ArrowDown: at + 1, ArrowLeft: at - 1, ArrowUp: at - 1, Home: 0, End: last};
      const to = keys[event.key];
      if (event.key === 'Escape') hide();
      if (at < 0 || to === undefined || !marks[to]) return;
      event.preventDefault();
      marks[at].setAttribute('tabindex', -1);
      marks[to].setAttribute('tabindex', 0);
      marks[to].focus();
    });
  }
  document.addEventListener('pointerdown', (event) => { if (!event.target.closest('svg.panel')) hide(); });
  addEventListener('scroll', hide, {passive: true});
  for (const table of document.querySelectorAll('figure table')) {
    const button = document.createElement('button');
    button.textContent = 'Save as CSV';
    button.addEventListener('click', () => {
      const quoted = (cell) => '"' + (cell.dataset.value ?? cell.textContent).replaceAll('"', '""') + '"';
      const lines = [...table.rows].map((row) => [...row.cells].map(quoted).join(','));
      const link = document.createElement('a');
      link.href = URL.createObjectURL(new Blob([lines.join('\r\n') + '\r\n'], {type: 'text/csv'}));
      link.download = table.dataset.name + '.csv';
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 1000);
    });
    table.closest('details').append(button);
  }
})();
)js";

}  // namespace lieq::report
