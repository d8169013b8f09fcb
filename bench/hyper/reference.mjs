// The RhizomeDB reference, built elsewhere: the same statements and questions, all in the memory of one process.
//
//   node reference.mjs BUILT FOLDER OPTIONS     BUILT is its folder `dist`; prints times in seconds by name, and counts

import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import { performance } from "node:perf_hooks";

const [built, folder, given] = process.argv.slice(2);
const { things, moments, levels, parents } = JSON.parse(given);
const { RhizomeDB, createStandardSchema, enableTimeTravel } = createRequire(import.meta.url)(`${built}/index.js`);

const times = {};
const timed = (name, work) => {
  const began = performance.now();
  const found = work();
  (times[name] ??= []).push((performance.now() - began) / 1000);
  return found;
};
const loaded = async (name) => {
  const db = new RhizomeDB({ storage: "memory" });
  const began = performance.now();
  for (const line of readFileSync(`${folder}/${name}.jsonl`, "utf8").split("\n"))
    if (line) await db.persistDelta(JSON.parse(line));
  (times[`load ${name}`] ??= []).push((performance.now() - began) / 1000);
  return db;
};
const size = (view) =>
  Object.entries(view).reduce(
    (sum, [name, found]) =>
      name === "id" || name === "_metadata"
        ? sum
        : sum +
          found.reduce(
            (inner, delta) =>
              inner +
              1 +
              delta.pointers.reduce(
                (deep, { role, target }) => deep + (role === "child" && typeof target === "object" ? size(target) : 0),
                0,
              ),
            0,
          ),
    0,
  );

const db = await loaded("world");
const standard = createStandardSchema("standard", "Standard");
const parent = createStandardSchema("parent", "Parent", { child: { schema: standard } });
const half = Math.floor(things.length / 2);
const counts = { target: 0, view: 0, nested: 0, travel: [] };
for (const name of ["target, first", "target"])
  for (const thing of things.slice(0, half))
    counts.target += timed(name, () => db.queryDeltas({ targetIds: [thing] })).length;
for (const thing of things.slice(half)) counts.view += size(timed("view", () => db.applyHyperSchema(thing, standard)));
for (let each = 1; each < parents; each += 1)
  counts.nested += size(timed("nested", () => db.applyHyperSchema(`parent-${each}`, parent)));
const travelling = enableTimeTravel(db);
counts.travel = timed("travel", () => moments.map((moment) => travelling.queryAt(things[0], standard, moment))).map(size);

const kept = db.materializeHyperView(things[0], standard);
for (let number = 0; number < 10; number += 1) {
  const delta = db.createDelta("bench", [
    { role: "entity", target: { id: things[0], context: "property-0" } },
    { role: "value", target: number },
  ]);
  await db.persistDelta(delta);
  timed("update", () => db.updateHyperView(kept, delta));
}

const graph = await loaded("shared");
let schema = createStandardSchema(`s${levels}`, "End");
for (let level = levels - 1; level >= 0; level -= 1) schema = createStandardSchema(`s${level}`, `S${level}`, { to: { schema } });
timed("shared", () => graph.applyHyperSchema("level-0", schema));

process.stdout.write(JSON.stringify({ times, counts, peak: process.resourceUsage().maxRSS * 1024 }));
