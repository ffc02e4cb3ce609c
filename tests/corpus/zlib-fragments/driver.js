'use strict';
// Healthy: bursts of compressions leave holes in the allocator's arenas. The resident set climbs to a high-water mark;
// what is in use returns to nothing.
// Source: nodejs/node#8871, closed as fragmentation; #34048.

const { deflate } = require('zlib');
require('../harness');

const message = Buffer.from(JSON.stringify({ some: 'data', padding: 'z'.repeat(800) }));

setInterval(() => {
  for (let n = 0; n < 1500; n++) deflate(message, () => {});
}, 3000);
