'use strict';
// Leaks JavaScript heap: a timer that was turned into a number stays in a table after it has fired. Leaky in Node
// 20.15.0, mended in 20.16.0 and 22.4.0.
// Source: nodejs/node#53335, found by getsentry/sentry-javascript#12317. Right kind: js-heap.

const { pace } = require('../harness');

pace(2500, () => {
  const request = { began: Date.now() };
  return +setTimeout(() => (request.done = true), 5);
});
