'use strict';
// Each line of input is a number of calls of v8.getHeapStatistics(), which calls Heap::SizeOfObjects outside of any
// collection; answered with nanoseconds of CPU time a call.

const v8 = require('v8');
const { serve } = require('./common.js');

function timed(calls) {
  const before = process.cpuUsage();
  for (let i = 0; i < calls; i++) v8.getHeapStatistics();
  const { user, system } = process.cpuUsage(before);
  return (user + system) * 1000 / calls;
}

timed(100000);
serve((line) => timed(Number(line)));
