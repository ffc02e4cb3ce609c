'use strict';
// Healthy: every 8 s a job reads 4 MB of JSON, adds it up, and forgets it. The resident set stays where the largest job
// has put it.

const { pace, random } = require('../harness');

const line = (_, n) => ({ n, name: `line ${n}`, prices: new Array(6).fill(n / 3) });

function job() {
  const text = JSON.stringify(Array.from({ length: 20000 + random(15000) }, line));
  return JSON.parse(text).reduce((sum, { prices }) => sum + prices[0], 0);
}

pace(1 / 8, job);
pace(50, () => JSON.parse(JSON.stringify(new Array(100).fill('traffic'))));
