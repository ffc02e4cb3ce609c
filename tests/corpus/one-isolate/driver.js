'use strict';
// Three workers and the main thread do the same work; one of them leaks JavaScript heap. Fixed: none does.

const { Worker, isMainThread, workerData } = require('worker_threads');
const { leaky, pace } = require('../harness');

const kept = [];
const recent = [];
let jobs = 0;

function work(keeps) {
  const job = { number: jobs++, cells: new Array(60).fill(jobs) };
  recent[job.number % 8000] = job;
  if (keeps) kept.push(job);
}

if (isMainThread) {
  for (let number = 0; number < 3; number++) new Worker(__filename, { workerData: { keeps: leaky && number === 1 } });
}
pace(700, () => work(Boolean(workerData && workerData.keeps)));
