'use strict';
// Leaks JavaScript heap: each job races with one promise that says when to shut down. The race's reactions stay with
// that promise, and with them the job's result. Fixed: a job waits for its own work only.
// Source: nodejs/node#17469, the same in its own words.

const { leaky, paceAsync } = require('../harness');

const shutdown = new Promise(() => {});

const work = () => new Promise((done) => setImmediate(() => done({ rows: new Array(60).fill(Math.PI) })));

paceAsync(800, 8, async () => {
  const result = await (leaky ? Promise.race([shutdown, work()]) : work());
  return JSON.stringify(result);
});
