'use strict';
// Leaks buffers: uploads of 8 KB stay in a list. Fixed: the last hundred do.

const { leaky, pace } = require('../harness');

const RECENT = 100;
const uploads = [];

pace(60, () => {
  uploads.push(Buffer.alloc(8 * 1024, 1));
  if (!leaky && uploads.length > RECENT) uploads.shift();
});
pace(300, () => JSON.parse(JSON.stringify(new Array(80).fill('traffic'))));
