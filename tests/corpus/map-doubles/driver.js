'use strict';
// Leaks JavaScript heap: a table of counters by request that nobody deletes from. Its memory grows in steps, as it
// doubles. Fixed: the entry goes with the request.

const { leaky, pace } = require('../harness');

const counters = new Map();
let requests = 0;

pace(8000, () => {
  const id = requests++;
  counters.set(id, { hits: id % 7 });
  if (!leaky) counters.delete(id - 1000);
});
pace(200, () => JSON.stringify(new Array(200).fill({ hit: requests })));
