'use strict';
// Healthy: 10, 20 and 30 MB of data are loaded at 15, 40 and 65 s and stay; between, nothing grows.

const { pace } = require('../harness');

const sets = [];

function load(megabytes) {
  const row = (_, n) => new Array(120).fill(n + 0.5);
  sets.push(Array.from({ length: megabytes * 1000 }, row));
}

for (const [second, megabytes] of [[15, 10], [40, 20], [65, 30]]) setTimeout(load, second * 1000, megabytes);
pace(1500, () => JSON.parse(JSON.stringify({ row: new Array(30).fill(1) })));
