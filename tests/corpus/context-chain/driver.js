'use strict';
// Leaks JavaScript heap: a poller asks for its next message within the context of the last one, so that each span's
// parent is the span before, and all of them stay. Fixed: a message's span has no parent.
// Source: gms1/node-async-context#53, #54, the same with AsyncLocalStorage. Right kind: js-heap.

const { AsyncLocalStorage } = require('async_hooks');
const { leaky } = require('../harness');

const PARTITIONS = 8;
const context = new AsyncLocalStorage();
let messages = 0;

function span() {
  const number = messages++;
  const parent = leaky ? context.getStore() : undefined;
  return { number, parent, began: Date.now(), tags: new Array(100).fill(number) };
}

async function handle() {
  const { number } = context.getStore();
  await null;
  return JSON.parse(JSON.stringify(new Array(50).fill(number)));
}

function poll() {
  context.run(span(), async () => {
    await handle();
    setTimeout(poll, 20);
  });
}

for (let n = 0; n < PARTITIONS; n++) setTimeout(poll, n);
