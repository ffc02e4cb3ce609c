'use strict';
// Leaks file descriptors: what was asked for is opened and, on one path in ten, never closed. `churn`: always closed.

const { open } = require('fs').promises;
const { leaky, paceAsync } = require('../harness');

const forgotten = [];
let asked = 0;

paceAsync(40, 4, async () => {
  const file = await open(__filename, 'r');
  await file.read(Buffer.alloc(64), 0, 64, 0);
  if (leaky && asked++ % 10 === 0) forgotten.push(file);
  else await file.close();
});
