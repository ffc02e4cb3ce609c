'use strict';
// Leaks isolates: each report starts a worker, which waits for more work that never comes. `churn`: it ends with the
// report.

const { Worker, isMainThread, parentPort } = require('worker_threads');
const { leaky, pace } = require('../harness');

function report() {
  const rows = Array.from({ length: 5000 }, (_, n) => ({ n, cells: new Array(10).fill(n) }));
  parentPort.postMessage(rows.length);
}

if (isMainThread) {
  pace(0.3, () => {
    const worker = new Worker(__filename);
    worker.once('message', () => leaky || worker.terminate());
  });
  pace(200, () => JSON.parse(JSON.stringify(new Array(80).fill('traffic'))));
} else {
  parentPort.on('message', report);
  report();
}
