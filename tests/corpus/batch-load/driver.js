'use strict';
// Healthy: every 70 s a report is made: its data set is loaded piece by piece for 50 s, 30 MB of it, added up, and let
// go; then there is nothing but the usual traffic.

const { pace, random } = require('../harness');

const EVERY = 70 * 1000;
const LOADS = 50 * 1000;
const began = Date.now();
let rows = [];
let total = 0;

function load() {
  if ((Date.now() - began) % EVERY < LOADS) {
    rows.push({ number: rows.length, region: `region ${random(50)}`, prices: new Array(100).fill(random(1000)) });
  } else if (rows.length > 0) {
    total = rows.reduce((sum, row) => sum + row.prices[0], 0);
    rows = [];
  }
}

pace(600, load);
pace(200, () => JSON.parse(JSON.stringify(new Array(80).fill(total))));
