// Opens a report in headless Chromium as its readers do, and says what is wrong with it:
//   node page.mjs CHROMIUM REPORT-DIR SHOTS-DIR
// Checked: no error on the console, no request but for the report's own files, every picture is there, sorting, filtering, whole without the script,
// no violation for axe-core in light, dark and on a phone. How long it takes to load is load.mjs's.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import puppeteer from "puppeteer-core";

const [chromium, folder, shots] = process.argv.slice(2);
const url = `file://${folder}/index.html`;
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const browser = await puppeteer.launch({ executablePath: chromium, args: ["--no-sandbox", "--disable-gpu", "--allow-file-access-from-files"] });
let failed = 0;
const check = (claim, sentence) => {
  console.log(`${claim ? "ok" : "not ok"} - ${sentence}`);
  failed += !claim;
};

const open = async (view) => {
  const page = await browser.newPage();
  const trouble = [];
  page.on("console", (message) => ["error", "warn"].includes(message.type()) && trouble.push(message.text()));
  page.on("pageerror", (error) => trouble.push(String(error)));
  page.on("request", (request) => request.url().startsWith(`file://${folder}/`) || request.url().startsWith("data:") || trouble.push(`request ${request.url()}`));
  page.on("requestfailed", (request) => trouble.push(`failed ${request.url()}`));
  await page.setViewport({ width: view.width, height: view.height });
  await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: view.scheme }]);
  await page.setJavaScriptEnabled(view.script !== false);
  await page.goto(url, { waitUntil: "load" });
  return { page, trouble };
};
const visible = (page) => page.$$eval("#cells tbody tr", (rows) => rows.filter((row) => !row.hidden).map((row) => row.cells[1].querySelector("code").textContent));

const views = [
  { name: "light", width: 1280, height: 900, scheme: "light" },
  { name: "dark", width: 1280, height: 900, scheme: "dark" },
  { name: "phone", width: 390, height: 844, scheme: "light" },
];
const rows = (readFileSync(`${folder}/index.html`, "utf8").match(/<th scope="row"><code>/g) ?? []).length;
for (const view of rows > 500 ? [] : views) { // a long table is a short one repeated
  const { page, trouble } = await open(view);
  await page.$$eval("img", (images) => images.forEach((image) => { image.loading = "eager"; }));
  await page.waitForFunction(() => [...document.images].every((image) => image.complete), { timeout: 20000 });
  const broken = await page.$$eval("img", (images) => images.filter((image) => !image.naturalWidth || !image.alt).length);
  check(broken === 0, `${view.name}: every picture is there and has its text`);
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  check(wide <= 1, `${view.name}: the page is not wider than the screen (${wide} px)`);
  await page.screenshot({ path: `${shots}/${view.name}.png`, clip: { x: 0, y: 0, width: view.width, height: 5000 }, captureBeyondViewport: true });
  // the checker is put in from outside the page, past its policy, as an isolated evaluation
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ["violations"] }));
  for (const rule of violations) console.log(`# ${rule.id}: ${rule.help}: ${rule.nodes.slice(0, 3).map((node) => node.target.join(" ")).join("; ")}`);
  check(violations.length === 0, `${view.name}: axe-core finds nothing`);
  check(trouble.length === 0, `${view.name}: no error and no request to elsewhere ${trouble.slice(0, 3).join(" | ")}`);
  await page.close();
}

{
  const { page } = await open(views[0]);
  const all = await visible(page);
  check(all.length > 0, `${all.length} rows`);
  const heads = await page.$$("#cells thead button");
  for (const [up, direction] of [[true, "ascending"], [false, "descending"]]) {
    await heads[1].click();
    const sorted = await visible(page);
    const wanted = [...all].sort((a, b) => a.localeCompare(b));
    const first = up ? wanted[0] : wanted.at(-1);
    check(sorted[0].localeCompare(first) === 0 && sorted.length === all.length, `sorted by cell, ${direction}`);
    check((await page.$$eval("#cells thead th", (cells) => cells[1].getAttribute("aria-sort"))) === direction, `aria-sort says ${direction}`);
  }
  await page.type("#filter-text", all[0].slice(0, 12));
  const shown = await visible(page);
  check(shown.length > 0 && shown.every((id) => id.toLowerCase().includes(all[0].slice(0, 12).toLowerCase().trim())), "filtered by text");
  await page.$eval("#filter-text", (input) => { input.value = "no such cell"; input.dispatchEvent(new Event("input")); });
  check((await visible(page)).length === 0, "filtered to nothing");
  await page.emulateMediaType("print");
  await page.pdf({ path: `${shots}/print.pdf`, format: "A4" });
  await page.close();
}
{
  const { page, trouble } = await open({ ...views[0], script: false });
  check(trouble.length === 0, "no error without the script");
  await page.close();
}
await browser.close();
process.exit(failed ? 1 : 0);
