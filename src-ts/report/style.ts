/** The style sheet of the page. Its hash stands in the page's security policy: the only style that a browser applies. */
export const STYLE = `
:root { color-scheme: light; --ink: #1f2933; --muted: #52606d; --rule: #d9dfe5; --soft: #f5f7fa; --alert: #b00020; --good: #00694b; --link: #00558a; }
* { box-sizing: border-box; }
body { margin: 0; background: #fff; color: var(--ink); font: 15px/1.5 system-ui, "Segoe UI", "DejaVu Sans", Arial, sans-serif; }
main, header { max-width: 1010px; margin: 0 auto; padding: 0 24px; }
header { padding-top: 28px; }
h1 { font-size: 26px; line-height: 1.25; margin: 0 0 2px; overflow-wrap: anywhere; }
h2 { font-size: 19px; margin: 44px 0 4px; padding-top: 14px; border-top: 1px solid var(--rule); }
h3 { font-size: 15px; margin: 20px 0 4px; }
p { margin: 6px 0; max-width: 78ch; }
a { color: var(--link); }
.sub { color: var(--muted); }
nav { margin: 14px 0 0; display: flex; flex-wrap: wrap; gap: 2px 16px; font-size: 13px; }
.verdict { margin: 18px 0; padding: 12px 18px; border-left: 6px solid var(--alert); background: #fdf1f2; border-radius: 0 6px 6px 0; }
.verdict.good { border-color: var(--good); background: #eef8f4; }
.verdict.mixed { border-color: #b36b00; background: #fff7e8; }
.verdict strong { font-size: 18px; }
.doubts { color: var(--alert); font-weight: 600; margin: 6px 0; padding-left: 20px; }
.facts { display: grid; grid-template-columns: repeat(auto-fit, minmax(122px, 1fr)); gap: 10px; margin: 16px 0; padding: 0; }
.facts div { background: var(--soft); border-radius: 6px; padding: 8px 12px; }
.facts dt { color: var(--muted); font-size: 12px; }
.facts dd { margin: 0; font-size: 18px; font-variant-numeric: tabular-nums; }
.facts dd small { display: block; font-size: 12px; color: var(--muted); }
.scroll { overflow-x: auto; margin: 8px 0; }
table { border-collapse: collapse; font-size: 13px; font-variant-numeric: tabular-nums; }
th, td { padding: 3px 10px; text-align: right; border-bottom: 1px solid var(--rule); white-space: nowrap; vertical-align: top; }
th { background: var(--soft); font-weight: 600; }
th:first-child, td:first-child, .text td, .text th { text-align: left; }
.text td, .text tbody th { white-space: normal; }
.text tbody th { min-width: 16ch; }
.text td:last-child { min-width: 26ch; }
.text td.value { white-space: nowrap; }
figure { margin: 12px 0 0; }
figure svg { display: block; width: 100%; height: auto; }
.atom { padding-top: 1px; border-top: 1px solid var(--rule); margin-top: 22px; }
.atom h3 { font-size: 17px; margin-top: 14px; }
.pictures { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(260px, 100%), 310px)); gap: 8px 16px; }
.pictures figure { margin-top: 8px; }
figcaption { color: var(--muted); font-size: 12.5px; line-height: 1.4; }
.files { font-size: 13px; color: var(--muted); margin: 6px 0; }
summary { cursor: pointer; color: var(--link); font-size: 13px; width: fit-content; }
code, pre { font: 13px/1.45 ui-monospace, "DejaVu Sans Mono", Consolas, monospace; overflow-wrap: anywhere; }
pre { background: var(--soft); padding: 10px 14px; border-radius: 6px; white-space: pre-wrap; }
footer { max-width: 1010px; margin: 40px auto; padding: 0 24px; color: var(--muted); font-size: 13px; }
@media print {
  body { font-size: 10.5pt; }
  main, header, footer { max-width: none; padding: 0; }
  nav, .files, details:not([open]) { display: none; }
  h2, section > .sub { break-inside: avoid; break-after: avoid; }
  .facts, .verdict, .atom, tr { break-inside: avoid; }
  figure svg { max-height: 222mm; }
  .verdict, .facts div, th, svg { print-color-adjust: exact; }
}
`
