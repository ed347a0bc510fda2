// How long a report takes to load in headless Chromium, and of what: node load.mjs CHROMIUM REPORT-DIR MOST-MILLISECONDS
// Each time in a browser of its own, as a reader's first look is; exit 1 when the median is above MOST.
import puppeteer from "puppeteer-core";

const [chromium, folder, most] = process.argv.slice(2);
const once = async () => {
  const browser = await puppeteer.launch({ executablePath: chromium, args: ["--no-sandbox", "--disable-gpu", "--allow-file-access-from-files"] });
  const page = await browser.newPage();
  await page.setViewport({ width: 1280, height: 900 });
  await page.goto(`file://${folder}/index.html`, { waitUntil: "load" });
  const load = await page.evaluate(() => performance.getEntriesByType("navigation")[0].loadEventEnd);
  const { LayoutDuration, RecalcStyleDuration, ScriptDuration } = await page.metrics();
  await browser.close();
  return { load, layout: 1000 * LayoutDuration, style: 1000 * RecalcStyleDuration, script: 1000 * ScriptDuration };
};

const looks = [];
for (let i = 0; i < 7; i++) looks.push(await once());
looks.sort((a, b) => a.load - b.load);
const middle = looks[3];
const ms = (value) => `${Math.round(value)} ms`;
console.log(`loaded in ${ms(middle.load)}, ${Math.round(looks[0].load)} to ${ms(looks[6].load)} (at most ${most}); of it layout ${ms(middle.layout)}, style ${ms(middle.style)}, script ${ms(middle.script)}`);
process.exit(middle.load < Number(most) ? 0 : 1);
