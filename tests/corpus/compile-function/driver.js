'use strict';
// Leaks JavaScript heap: functions that were compiled with `importModuleDynamically` are never collected, and neither
// are their sources. Leaky in Node 16 and 20.5.0, mended in 18.20.8 and 20.20.2.
// Source: nodejs/node#42080, #44211, to be mended by #46785 and what followed it. Right kind: js-heap.

const { compileFunction } = require('vm');
const { pace, random } = require('../harness');

const importModuleDynamically = () => {};
let pages = 0;

function source(page) {
  const lines = Array.from({ length: 30 }, (_, n) => `out.push('<li id="${page}-${n}">' + rows[${n}] + '</li>');`);
  return `const out = [];\n${lines.join('\n')}\nreturn out.join('');`;
}

pace(120, () => compileFunction(source(pages++), ['rows'], { importModuleDynamically })([random(100)]));
