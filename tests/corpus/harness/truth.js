'use strict';
// Preloaded into a process that nobody watches: collects all garbage at each second of `MEMWATCH_TRUTH` ("37,150") and
// says what is left, one line `truth {…}` an isolate. Sizes are bytes. Of the process as a whole only the main thread
// speaks.

const fs = require('fs');
const v8 = require('v8');
const vm = require('vm');

let threadId = 0;
try {
  ({ threadId } = require('worker_threads'));
} catch {
  // Node 10 has one thread.
}
const { mallocInUse } = require(`${process.env.MEMWATCH_ADDONS}/books.node`);
const born = threadId === 0 ? process.uptime() : Number(fs.readFileSync('/proc/uptime', 'utf8').split(' ')[0]) - started();

v8.setFlagsFromString('--expose-gc');
const gc = vm.runInNewContext('gc');

for (const second of process.env.MEMWATCH_TRUTH.split(',').map(Number)) {
  const left = (second - born) * 1000;
  if (left > 0) setTimeout(() => collectTwice(() => say(second)), left).unref();
}

/** Objects with finalizers, and buffers behind them, go with the second collection. */
function collectTwice(then) {
  gc();
  setTimeout(() => {
    gc();
    setTimeout(then, 50);
  }, 50);
}

function say(at) {
  const { heapUsed, external, arrayBuffers } = process.memoryUsage();
  const isolate = { at, thread: threadId, heap: heapUsed, external, array_buffers: arrayBuffers };
  const counts = threadId === 0 ? ofProcess() : {};
  fs.writeSync(1, `truth ${JSON.stringify(Object.assign(isolate, counts))}\n`);
}

function ofProcess() {
  const fds = fs.readdirSync('/proc/self/fd').length;
  const threads = fs.readdirSync('/proc/self/task').length;
  const status = fs.readFileSync('/proc/self/status', 'utf8');
  const rss_anon = Number(/RssAnon:\s+(\d+)/.exec(status)[1]) * 1024;
  return { malloc: mallocInUse(), rss_anon, fds, threads };
}

/** When this process started, in seconds since the machine did. */
function started() {
  const stat = fs.readFileSync('/proc/self/stat', 'utf8');
  return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]) / 100;
}
