'use strict';
// Leaks native memory: an addon takes blocks that nobody frees. Look-alikes in the same addon: blocks that come and go
// (`churn`), a cache of the last 4000 (`cache`), a table that grows to 24 MB within a minute and is then full (`table`).

const { addon, leaky, pace, random, variant } = require('../harness');
const { take, give } = addon('blocks');

const MOST = { churn: 20, cache: 4000, table: 24000 };
const live = [];

function block() {
  if (variant === 'table' && live.length === MOST.table) return;
  live.push(take(variant === 'table' ? 1000 : 500 + random(3000)));
  if (!leaky && variant !== 'table' && live.length > MOST[variant]) give(live.shift());
}

pace(variant === 'table' ? 400 : 100, block);
pace(200, () => JSON.parse(JSON.stringify(new Array(80).fill('traffic'))));
