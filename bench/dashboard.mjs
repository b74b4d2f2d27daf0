// Run by dashboard.sh: node dashboard.mjs DRIVER CONTROLLER DATABASE BACKENDS ROUNDS
import fs from 'node:fs';
import { DatabaseSync } from 'node:sqlite';

const [driver, controller, database, backends, rounds] = [process.argv[2], process.argv[3], process.argv[4], +process.argv[5], +process.argv[6]];
const { chromium } = await import(driver);

async function post(path, body) {
  const response = await fetch(controller + path, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) });
  if (!response.ok) {
    throw new Error(`${path} answered ${response.status}: ${await response.text()}`);
  }
  return response.json();
}

const one = (await post('/ctrl/connect', { key: { name: 'the-one-room' }, spawn_config: { executable: { command: ['sleep', '1000000'] } } })).backend_id;
const cluster = (await (await fetch(controller + '/ctrl/clusters')).json()).clusters[0];

// Rows alone: nothing runs for them, and no key is theirs, which a sweep could find expired.
const db = new DatabaseSync(database, { timeout: 30_000 });
const columns = db.prepare("select name from pragma_table_info('backends') where name not in ('id', 'key_name', 'created_at')").all().map(row => row.name);
const copied = db.prepare(`
  with recursive n (i) as (select 1 union all select i + 1 from n where i < ?)
  insert into backends (id, key_name, created_at, ${columns.join(', ')})
  select 'seeded-' || i, 'seeded-room-' || i, b.created_at - 100000000 + i, ${columns.map(name => 'b.' + name).join(', ')} from n, (select * from backends where id = ?) b`).run(backends, one);
db.close();
if (Number(copied.changes) !== backends) {
  throw new Error(`${copied.changes} rows were made`);
}

const binaries = ['/usr/bin/chromium-headless-shell', '/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];
const browser = await chromium.launch({ executablePath: binaries.find(fs.existsSync), args: ['--no-sandbox', '--disable-gpu'] });
const times = new Map();
const note = (what, value) => times.set(what, [...(times.get(what) ?? []), value]);
const total = `${backends + 1} backends`;
for (let round = 0; round <= rounds; round++) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 } });
  const page = await context.newPage();

  // The first round is for the programs to get warm.
  const measure = round === 0 ? () => {} : note;
  for (const [name, path] of [['first page', '/'], ['cluster', '/clusters/' + encodeURIComponent(cluster)], ['list', '/backends']]) {
    await page.goto(controller + path);
    measure(`${name}: first paint`, await page.evaluate(() => new Promise(resolve => {
      new PerformanceObserver(list => resolve(list.getEntries()[0].startTime)).observe({ type: 'paint', buffered: true });
    })));
  }
  await page.waitForFunction(text => document.getElementById('count').textContent.startsWith(text), total, { polling: 'raf' });
  measure('list: all rows there', await page.evaluate(() => performance.now()));

  // From a key's press to the frame that shows what it left, letter by letter.
  await page.evaluate(() => {
    window.filterTimes = [];
    const field = document.getElementById('quick-text');
    field.addEventListener('input', () => {
      const begun = performance.now();
      requestAnimationFrame(() => setTimeout(() => window.filterTimes.push(performance.now() - begun)));
    }, { capture: true });
    field.focus();
  });
  for (const letter of 'the-one') {
    await page.keyboard.press(letter);
    await page.waitForTimeout(100);
  }
  await page.waitForFunction(text => document.getElementById('count').textContent === text, `1 of ${total}`);
  (await page.evaluate(() => window.filterTimes)).forEach(time => measure('list: one letter of the filter', time));
  await context.close();
}
await browser.close();

console.log(`| the dashboard with ${backends} backends | median | worst | goal |`);
console.log('| --- | --- | --- | --- |');
for (const [what, values] of times) {
  values.sort((a, b) => a - b);
  const goal = what.includes('first paint') ? '≤ 1000 ms' : what.includes('filter') ? '≤ 200 ms' : '';
  console.log(`| ${what} | ${values[values.length >> 1].toFixed(0)} ms | ${values[values.length - 1].toFixed(0)} ms | ${goal} |`);
}
