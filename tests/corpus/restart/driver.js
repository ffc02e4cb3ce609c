'use strict';
// Leaks JavaScript heap, and is started anew half-way, as a deploy would. Healthy: a minute's worth of orders is kept,
// so that the process grows after each start until the first minute is over.

const { leaky, pace } = require('../harness');

const MINUTE = 60 * 1000;
const orders = [];

pace(400, () => {
  orders.push({ at: Date.now(), lines: new Array(60).fill(orders.length) });
  while (!leaky && orders[0].at < Date.now() - MINUTE / 3) orders.shift();
});
pace(100, () => JSON.parse(JSON.stringify(new Array(300).fill('traffic'))));
