'use strict';
// Healthy: a cache of two generations: as the young one is full it becomes the old one, and what was the old one goes.
// It grows for the first 90 s, and from then on falls by half and grows anew every 45 s. quick-lru 5.1.1.
// Source: the behaviour that is asked about in sindresorhus/quick-lru#10.

const QuickLRU = require('quick-lru');
const { pace, random } = require('../harness');

const profiles = new QuickLRU({ maxSize: 9000 });
let users = 0;

function profile(id) {
  return { id, name: `user ${id}`, visits: new Array(100).fill(id), bio: 'b'.repeat(150) + id };
}

pace(200, () => {
  const id = users++;
  profiles.set(`profile:${id}`, profile(id));
  profiles.get(`profile:${Math.max(0, id - random(20))}`);
});
