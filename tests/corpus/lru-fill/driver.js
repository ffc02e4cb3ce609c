'use strict';
// Healthy: a cache of 18 000 entries fills within a minute, and evicts from then on. lru-cache 10.4.3.

const { LRUCache } = require('lru-cache');
const { pace } = require('../harness');

const cache = new LRUCache({ max: 18000 });
let users = 0;

pace(300, () => {
  const id = users++;
  const tags = new Array(40).fill(id);
  cache.set(`user:${id}`, { id, name: `name ${id}`, tags, picture: 'x'.repeat(200) + id });
});
