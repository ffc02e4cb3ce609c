'use strict';
// Leaks JavaScript heap: every logger that is made stays in a list of the module. Leaky debug 4.1.1, fixed 4.3.4.
// Source: debug-js/debug#678, mended by #740. Right kind: js-heap.

const { pace, variant } = require('../harness');
const debug = require(`debug-${variant}`);

let requests = 0;

pace(1500, () => {
  const log = debug(`request:handler:${requests++ % 50}`);
  log('nobody listens to number %d', requests);
});
