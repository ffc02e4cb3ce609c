'use strict';
// Collects every so many milliseconds (--expose-gc): whoever attaches soon has a collection to report.

const { serve } = require('./common.js');

function collect() {
  for (let i = 0; i < 1000; i++) new Array(8).fill(i);
  global.gc();
}

setInterval(collect, Number(process.argv[2]));
serve(() => '');
