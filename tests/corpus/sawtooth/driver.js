'use strict';
// Healthy: events are gathered for 12 s and sent away at once, as logs and metrics are. Several mark-compacts in a row
// find more than the one before.

const { pace } = require('../harness');

let batch = [];
let events = 0;

pace(2500, () => {
  const number = events++;
  batch.push({ number, at: Date.now(), message: `event ${number}`, fields: new Array(20).fill(number) });
});
setInterval(() => (batch = []), 12000);
